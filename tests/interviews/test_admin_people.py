"""Users, teams and groups on the desk."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from interviews.models import Team, User
from tests.desk import address, page_of, root, signed_in, staff

pytestmark = pytest.mark.django_db
LABEL = "interviews.User"


@pytest.fixture
def operator(db) -> Client:
    return signed_in(root())


def new(**fields):
    return {
        "nickname": "grace",
        "email": "",
        "usable_password": "true",
        "password1": "a good long password",
        "password2": "a good long password",
    } | fields


@pytest.mark.parametrize(
    "login", [{}, {"nickname": "", "email": "g@example.org"}, {"email": "g@example.org"}]
)
def test_a_user_is_made_with_a_nickname_or_an_address(operator, login):
    answer = operator.post(address(LABEL, "add"), new(**login))
    user = User.objects.exclude(nickname="root").get()
    assert (answer.status_code, answer["Location"]) == (302, page_of(user))
    assert user.check_password("a good long password")


@pytest.mark.parametrize(
    "fields",
    [
        {"nickname": "", "email": ""},
        {"nickname": "ROOT"},
        {"nickname": "x"},
        {"nickname": "a@b"},
        {"email": "no address"},
        {"password2": "another password"},
        {"password1": "short", "password2": "short"},
    ],
)
def test_a_wrong_user_is_refused_in_words(operator, fields):
    answer = operator.post(address(LABEL, "add"), new(**fields))
    assert answer.status_code == 200
    assert answer.context["errors"]
    assert User.objects.count() == 1


def test_groups_are_given(operator):
    user = staff("grace")
    recruiters = Group.objects.get(name="Recruiters")
    answer = operator.post(
        page_of(user),
        {"nickname": "Grace", "email": "", "is_active": "on", "is_staff": "on",
         "groups": [recruiters.pk]},
    )  # fmt: skip
    assert answer.status_code == 302
    user.refresh_from_db()
    assert (user.nickname, user.nickname_key) == ("Grace", "grace")
    assert list(user.groups.all()) == [recruiters]


def test_a_password_is_set(operator):
    user = staff("grace")
    path = page_of(user).replace("/change/", "/password/")
    assert operator.get(path).status_code == 200
    operator.post(
        path,
        {"usable_password": "true", "password1": "a new long password",
         "password2": "a new long password"},
    )  # fmt: skip
    user.refresh_from_db()
    assert user.check_password("a new long password")


def test_whoever_may_change_users_gives_nobody_more_rights():
    clerk = staff("clerk")
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client = signed_in(clerk)
    client.post(
        page_of(clerk),
        {"nickname": "clerk", "email": "c@example.org", "is_active": "on", "is_superuser": "on",
         "groups": [group.pk for group in Group.objects.all()]},
    )  # fmt: skip
    clerk.refresh_from_db()
    assert clerk.email == "c@example.org"
    assert not clerk.is_superuser
    assert not clerk.groups.exists()


def test_users_are_found_in_any_case(operator):
    User.objects.create_user(nickname="Анна", email="anna@example.org")
    for query in ("Анна", "АННА", "анна", "ANNA@", "anna@example"):
        rows = operator.get(address(LABEL), {"q": query}).context["cl"].result_list
        assert [user.nickname for user in rows] == ["Анна"]


def test_a_team_is_made_with_its_members(operator):
    user = staff("grace", "Recruiters")
    operator.post(address("interviews.Team", "add"), {"name": "Core", "members": [str(user.pk)]})
    assert list(Team.objects.get().members.all()) == [user]


def test_a_recruiter_sees_their_teams_and_changes_none():
    mine, other = Team.objects.create(name="Mine"), Team.objects.create(name="Other")
    client = signed_in(staff("recruiter", "Recruiters", teams=(mine,)))
    html = client.get(address("interviews.Team")).content.decode()
    assert "Mine" in html
    assert "Other" not in html
    assert client.post(page_of(mine), {"name": "Ours"}).status_code == 403
    assert client.get(page_of(other)).status_code == 302


def test_the_size_of_a_team_counts_everyone():
    team = Team.objects.create(name="Core")
    first = staff("one", "Recruiters", teams=(team,))
    staff("two", "Recruiters", teams=(team,))
    (row,) = signed_in(first).get(address("interviews.Team")).context["cl"].result_list
    assert row.size == 2


def test_a_recruiter_cannot_list_users():
    client = signed_in(staff("recruiter", "Recruiters"))
    assert client.get(address(LABEL)).status_code == 403
    assert (
        client.get(
            "/admin/autocomplete/?app_label=interviews&model_name=team&field_name=members"
        ).status_code
        == 403
    )
