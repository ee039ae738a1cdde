"""A forgotten password, by mail."""

from __future__ import annotations

import re

import pytest
from django.core import mail

from interviews.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def grace(make_user):
    return make_user("grace", email="Grace@Example.org")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_mail_leads_to_a_new_password(client, grace, language):
    answer = client.post(
        "/accounts/password_reset/", {"email": "grace@example.ORG"},
        headers={"Accept-Language": language},
    )  # fmt: skip
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/password_reset/done/")
    (letter,) = mail.outbox
    assert letter.to == ["Grace@Example.org"]
    path = re.search(r"https?://[^/]+(/accounts/reset/\S+)", letter.body)[1]
    form = client.get(path, follow=True)
    assert form.status_code == 200
    new = {"new_password1": "violet lamp 42", "new_password2": "violet lamp 42"}
    done = client.post(form.redirect_chain[-1][0], new, follow=True)
    assert done.status_code == 200
    grace.refresh_from_db()
    assert grace.check_password("violet lamp 42")
    again = client.get(path, follow=True)  # the link works once
    assert "new_password1" not in again.content.decode()


def test_an_unknown_address_gets_the_same_answer_and_no_mail(client, grace):
    answer = client.post("/accounts/password_reset/", {"email": "nobody@example.org"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/password_reset/done/")
    assert mail.outbox == []


def test_people_without_a_usable_account_get_none(client, grace):
    User.objects.update(is_active=False)
    client.post("/accounts/password_reset/", {"email": "grace@example.org"})
    assert mail.outbox == []
