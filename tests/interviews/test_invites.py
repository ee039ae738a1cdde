"""Invites: reading a list, making, mailing, withdrawing."""

from __future__ import annotations

import socket
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone

from interviews import flow, invites
from interviews.invites import Guest, Mailed
from interviews.models import Invite, Team
from neurogame.problems import Problem
from tests.desk import invite, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(db):
    return Team.objects.create(name="Core")


@pytest.fixture
def recruiter(team):
    return staff("recruiter", "Recruiters", teams=(team,), email="rec@example.org")


def unreachable(settings):
    """A mail server that nobody runs: a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    options = {"host": "127.0.0.1", "port": port, "timeout": 2}
    settings.MAILERS = {"default": {"BACKEND": smtp, "OPTIONS": options}}


# --- Who ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "guest"),
    [
        ("Ada Lovelace, ada@example.org", Guest("Ada Lovelace", "ada@example.org")),
        ("ada@example.org", Guest("", "ada@example.org")),
        ("Ada Lovelace", Guest("Ada Lovelace", "")),
        ("Ada Lovelace <ada@example.org>", Guest("Ada Lovelace", "ada@example.org")),
        ("Ada Lovelace\tada@example.org", Guest("Ada Lovelace", "ada@example.org")),
        ("Lovelace; Ada; ada@example.org", Guest("Lovelace Ada", "ada@example.org")),
        ("ada@example.org, Ada", Guest("Ada", "ada@example.org")),
        ("  Анна   Ахматова , anna@example.org ", Guest("Анна Ахматова", "anna@example.org")),
    ],
)
def test_a_line_is_read(line, guest):
    assert invites.read_guests(f"\n{line}\n\n") == [guest]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one person"),
        (" \n\t\n", "at least one person"),
        ("ada@", "Line 1"),
        ("a@b.org\nb@c.org, d@e.org", "Line 2"),
        ("a@b.org\nx\nA@B.org", "line 1 already"),
        (",", "neither a name nor an address"),
        ("x" * 121, "longer than 120"),
        ("\n".join(f"p{n}@example.org" for n in range(101)), "At most 100"),
    ],
)
def test_a_wrong_list_says_what_is_wrong(text, words):
    with pytest.raises(ValidationError) as raised:
        invites.read_guests(text)
    assert words in " ".join(raised.value.messages)


# --- Making and withdrawing ---------------------------------------------------------------------


def test_one_invite_for_each_guest(team, recruiter):
    expires = timezone.now() + timedelta(days=3)
    made = invites.make(
        team=team,
        by=recruiter,
        guests=[Guest("Ada", "ada@example.org"), Guest("Grace")],
        track="data",
        level="senior",
        locale="ru",
        time_factor=Decimal("1.5"),
        expires_at=expires,
    )
    assert [(row.candidate_name, row.email) for row in made] == [
        ("Ada", "ada@example.org"),
        ("Grace", ""),
    ]
    assert len({row.token for row in made}) == 2
    row = Invite.objects.get(candidate_name="Ada")
    assert (row.team, row.created_by, row.track, row.level) == (team, recruiter, "data", "senior")
    assert (row.locale, row.time_factor, row.expires_at) == ("ru", Decimal("1.5"), expires)


def test_a_withdrawn_invite_starts_nothing(team, candidate):
    row = invite(team)
    assert invites.withdraw(row)
    assert not row.is_open()
    assert not invites.withdraw(row)
    with pytest.raises(Problem, match="withdrawn"):
        flow.start(
            candidate,
            terms={},
            invite_token=row.token,
            consent=flow.ConsentGiven("1"),
        )


def test_a_used_invite_is_not_withdrawn(team):
    row = invite(team, used_at=timezone.now())
    assert not invites.withdraw(row)
    assert row.revoked_at is None


# --- Mailing ------------------------------------------------------------------------------------


def test_the_mail_has_the_link_the_terms_and_who_to_answer(team, recruiter, settings):
    settings.PUBLIC_URL = "https://hire.example.org"
    row = invite(
        team,
        email="ada@example.org",
        candidate_name="Ada <b>",
        level="senior",
        time_factor=Decimal("1.5"),
        created_by=recruiter,
        expires_at=timezone.now() + timedelta(days=1),
    )
    assert invites.mail([row]) == Mailed(sent=1)
    (message,) = mail.outbox
    link = f"https://hire.example.org/interview/?invite={row.token}"
    assert message.to == ["ada@example.org"]
    assert message.reply_to == ["rec@example.org"]
    assert message.subject == "Your interview: Data, Senior"
    assert link in message.body
    assert "Hello Ada <b>," in message.body
    assert "135 undisturbed minutes" in message.body
    html = message.alternatives[0].content
    assert f'href="{link}"' in html
    assert "Ada &lt;b&gt;" in html
    row.refresh_from_db()
    assert row.sent_at is not None
    assert row.send_error == ""


def test_the_mail_is_in_the_language_of_the_invite(team):
    invites.mail([invite(team, email="ada@example.org", locale="ru")])
    assert "приглашает вас" in mail.outbox[0].body
    assert mail.outbox[0].subject.startswith("Ваше собеседование")


def test_only_open_invites_with_an_address_are_mailed(team):
    now = timezone.now()
    rows = [
        invite(team),
        invite(team, email="a@example.org", revoked_at=now),
        invite(team, email="b@example.org", used_at=now),
        invite(team, email="c@example.org", expires_at=now - timedelta(minutes=1)),
    ]
    assert invites.mail(rows) == Mailed()
    assert mail.outbox == []


def test_a_server_that_cannot_be_reached_is_stored_not_raised(team, settings):
    unreachable(settings)
    rows = [invite(team, email=f"p{n}@example.org") for n in range(3)]
    assert invites.mail(rows) == Mailed(failed=3)
    for row in rows:
        row.refresh_from_db()
        assert "ConnectionRefusedError" in row.send_error
        assert row.sent_at is None


def test_mailing_again_clears_the_failure(team):
    row = invite(team, email="ada@example.org", send_error="refused")
    invites.mail([row])
    row.refresh_from_db()
    assert (row.send_error, row.sent_at is None) == ("", False)


def test_one_refused_address_does_not_stop_the_others(team, settings):
    # Django refuses an address with a line break before anything is sent.
    rows = [invite(team, email="a@example.org\nBcc: x@y.org"), invite(team, email="b@example.org")]
    assert invites.mail(rows) == Mailed(sent=1, failed=1)
    rows[0].refresh_from_db()
    assert rows[0].send_error
    assert [message.to for message in mail.outbox] == [["b@example.org"]]
