"""Invites on the desk: making, the link, the mail, withdrawing; and whose they are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.test import Client
from django.utils import timezone

from interviews.models import Invite, Team
from tests.desk import address, elements, invite, page_of, session, signed_in, staff
from tests.interviews.test_invites import unreachable

pytestmark = pytest.mark.django_db
LABEL = "interviews.Invite"


@pytest.fixture
def team(db):
    return Team.objects.create(name="Core")


@pytest.fixture
def other(db):
    return Team.objects.create(name="Other")


@pytest.fixture
def recruiter(team) -> Client:
    return signed_in(staff("recruiter", "Recruiters", teams=(team,)))


def filled(of, **fields):
    return {
        "who": "Ada, ada@example.org",
        "team": of.pk,
        "track": "data",
        "level": "senior",
        "locale": "ru",
        "time_factor": "1.5",
        "days": "7",
        "send": "on",
    } | fields


def words(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_one_person_is_invited_and_the_link_shown(recruiter, team):
    answer = recruiter.post(address(LABEL, "add"), filled(team))
    row = Invite.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, page_of(row))
    assert (row.candidate_name, row.email, row.level, row.locale) == (
        "Ada", "ada@example.org", "senior", "ru",
    )  # fmt: skip
    assert str(row.created_by) == "recruiter"
    assert timedelta(days=6) < row.expires_at - timezone.now() <= timedelta(days=7)
    assert row.sent_at is not None
    assert [message.to for message in mail.outbox] == [["ada@example.org"]]
    copy = [
        attrs
        for tag, attrs in elements(words(recruiter, page_of(row)))
        if "data-copy-text" in attrs
    ]
    assert [attrs["data-copy-text"] for attrs in copy] == [row.link]


def test_a_list_is_invited(recruiter, team):
    who = "Ada, ada@example.org\nGrace\nlinus@example.org"
    answer = recruiter.post(address(LABEL, "add"), filled(team, who=who, days=""), follow=True)
    assert answer.redirect_chain == [(address(LABEL), 302)]
    assert Invite.objects.filter(expires_at=None).count() == 3
    assert len(mail.outbox) == 2
    html = answer.content.decode()
    assert "3 invites were made." in html
    assert "2 mails were sent." in html
    assert html.count("data-copy-text") == 3


def test_without_the_tick_nothing_is_mailed(recruiter, team):
    fields = filled(team)
    del fields["send"]
    recruiter.post(address(LABEL, "add"), fields)
    assert mail.outbox == []
    assert Invite.objects.get().sent_at is None


def test_a_mail_that_fails_is_told_and_kept(recruiter, team, settings):
    unreachable(settings)
    answer = recruiter.post(address(LABEL, "add"), filled(team), follow=True)
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "1 mail failed" in html
    assert "ConnectionRefusedError" in html
    assert "data-copy-text" in html
    assert "ConnectionRefusedError" in words(recruiter, address(LABEL) + "?state=failed")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"who": ""}, "who"),
        ({"who": "not@an@address"}, "who"),
        ({"track": "poetry"}, "track"),
        ({"level": ""}, "level"),
        ({"time_factor": "0.5"}, "time_factor"),
        ({"time_factor": "9"}, "time_factor"),
        ({"days": "0"}, "days"),
        ({"team": "999"}, "team"),
    ],
)
def test_what_is_wrong_stands_at_its_field(recruiter, team, fields, wrong):
    answer = recruiter.post(address(LABEL, "add"), filled(team, **fields))
    assert answer.status_code == 200
    assert set(answer.context["form"].errors) == {wrong}
    assert not Invite.objects.exists()


def test_a_team_of_others_cannot_be_chosen(recruiter, team, other):
    assert "Other" not in words(recruiter, address(LABEL, "add"))
    answer = recruiter.post(address(LABEL, "add"), filled(other))
    assert set(answer.context["form"].errors) == {"team"}
    assert not Invite.objects.exists()


def test_without_a_team_the_page_says_what_to_do():
    client = signed_in(staff("lonely", "Recruiters"))
    assert "you are in none yet" in words(client, address(LABEL, "add"))


def test_whoever_may_not_add_is_refused(team):
    client = signed_in(staff("analyst", "Analysts", teams=(team,)))
    assert client.get(address(LABEL, "add")).status_code == 403
    assert client.post(address(LABEL, "add"), filled(team)).status_code == 403
    assert not Invite.objects.exists()


def test_only_the_invites_of_ones_teams_are_there(recruiter, team, other):
    mine, theirs = invite(team, candidate_name="Mine"), invite(other, candidate_name="Theirs")
    html = words(recruiter, address(LABEL))
    assert "Mine" in html
    assert "Theirs" not in html
    assert theirs.token not in html
    assert mine.token in html
    assert recruiter.get(page_of(theirs)).status_code == 302
    for name in ("mail_one", "withdraw_one"):
        assert recruiter.post(page_of(theirs, name)).status_code == 404
    theirs.refresh_from_db()
    assert theirs.is_open()


@pytest.mark.parametrize("state", ["open", "used", "withdrawn", "expired", "failed"])
def test_invites_are_filtered_by_state(recruiter, team, state):
    now = timezone.now()
    invite(team, candidate_name="open")
    invite(team, candidate_name="used", used_at=now)
    invite(team, candidate_name="withdrawn", revoked_at=now)
    invite(team, candidate_name="expired", expires_at=now - timedelta(days=1))
    invite(team, candidate_name="failed", send_error="x", used_at=now)
    rows = recruiter.get(address(LABEL) + f"?state={state}").context["cl"].result_list
    expected = {"used": {"used", "failed"}}.get(state, {state})
    assert {row.candidate_name for row in rows} == expected


def test_a_closed_invite_shows_no_link_and_is_not_edited(recruiter, team):
    row = invite(team, used_at=timezone.now(), candidate_name="Ada")
    session(team, invite=row)
    html = words(recruiter, page_of(row))
    assert row.token not in html
    assert page_of(row.session) in html
    assert recruiter.post(page_of(row), {"candidate_name": "Eve"}).status_code == 403


def test_an_open_invite_can_be_corrected_but_not_moved(recruiter, team, other):
    row = invite(team, candidate_name="Ada", email="typo@example.org")
    recruiter.post(
        page_of(row),
        {
            "candidate_name": "Ada L.",
            "email": "ada@example.org",
            "locale": "en",
            "time_factor": "2",
            "expires_at_0": "",
            "expires_at_1": "",
            "team": other.pk,
            "level": "senior",
        },
    )
    row.refresh_from_db()
    assert (row.candidate_name, row.email, row.time_factor) == ("Ada L.", "ada@example.org", 2)
    assert (row.team, row.level) == (team, "junior")


def test_an_invite_is_withdrawn_after_a_question(recruiter, team):
    row = invite(team)
    assert recruiter.get(page_of(row, "withdraw_one")).status_code == 200
    row.refresh_from_db()
    assert row.is_open()
    recruiter.post(page_of(row, "withdraw_one"))
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert LogEntry.objects.filter(change_message="Withdrawn.").count() == 1


def test_several_are_withdrawn_after_a_question(recruiter, team):
    rows = [invite(team) for _n in range(2)] + [invite(team, used_at=timezone.now())]
    chosen = {"action": "withdraw_many", "_selected_action": [str(row.pk) for row in rows]}
    asked = recruiter.post(address(LABEL), chosen)
    assert asked.status_code == 200
    hidden = [
        (attrs["name"], attrs.get("value"))
        for tag, attrs in elements(asked.content.decode())
        if tag == "input" and attrs.get("type") == "hidden"
    ]
    assert Invite.objects.filter(revoked_at=None).count() == 3
    data: dict[str, list[str]] = {}
    for name, value in hidden:
        data.setdefault(name, []).append(value or "")
    done = recruiter.post(address(LABEL), data, follow=True)
    assert "2 invites were withdrawn." in done.content.decode()
    assert "1 was used or withdrawn already." in done.content.decode()


def test_a_mail_is_sent_again(recruiter, team):
    row = invite(team, email="ada@example.org", send_error="refused")
    assert recruiter.get(page_of(row, "mail_one")).status_code == 200
    assert mail.outbox == []
    recruiter.post(page_of(row, "mail_one"))
    chosen = {"action": "mail_again", "_selected_action": [str(row.pk)]}
    recruiter.post(address(LABEL), chosen)
    assert len(mail.outbox) == 2


def test_whoever_may_only_look_changes_nothing(team):
    from django.contrib.auth.models import Permission

    user = staff("viewer", teams=(team,))
    user.user_permissions.add(Permission.objects.get(codename="view_invite"))
    client, row = signed_in(user), invite(team, email="ada@example.org")
    assert client.get(page_of(row)).status_code == 200
    for name in ("mail_one", "withdraw_one"):
        assert client.post(page_of(row, name)).status_code == 403
    for name in ("mail_again", "withdraw_many"):
        chosen = {"action": name, "_selected_action": [str(row.pk)], "confirmed": "1"}
        client.post(address(LABEL), chosen)
    row.refresh_from_db()
    assert row.is_open()
    assert mail.outbox == []


def test_nobody_deletes_an_invite(recruiter, team):
    row = invite(team)
    assert recruiter.post(page_of(row, "delete"), {"post": "yes"}).status_code == 403
