"""Interviews on the desk: the report as one page, decisions, exports; and whose they are."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook

from interviews.models import Consent, InterviewSession, Message, Team, User
from tasks.models import CodeRun, Draft
from tests.desk import (
    EVIL,
    address,
    assignment,
    attempt,
    elements,
    inline_scripts,
    invite,
    page_of,
    root,
    session,
    signal,
    signed_in,
    staff,
)

pytestmark = pytest.mark.django_db
LABEL = "interviews.InterviewSession"


@pytest.fixture
def team(db):
    return Team.objects.create(name="Core")


@pytest.fixture
def recruiter(team) -> Client:
    return signed_in(staff("recruiter", "Recruiters", teams=(team,)))


@pytest.fixture
def outsider(db) -> Client:
    """A recruiter of another team."""
    return signed_in(staff("outsider", "Recruiters", teams=(Team.objects.create(name="Other"),)))


@pytest.fixture
def analyst(db) -> Client:
    return signed_in(staff("analyst", "Analysts"))


def viewer(team) -> Client:
    """A colleague who may look, but not decide."""
    from django.contrib.auth.models import Permission

    user = staff("viewer", teams=(team,))
    user.user_permissions.add(Permission.objects.get(codename="view_interviewsession"))
    return signed_in(user)


# --- The list -----------------------------------------------------------------------------------


def test_a_recruiter_sees_the_interviews_of_their_teams(recruiter, team):
    mine, other = session(team), session(Team.objects.create(name="Other"))
    nobodys = session()
    html = recruiter.get(address(LABEL)).content.decode()
    assert str(mine.pk) in html
    assert str(other.pk) not in html
    assert str(nobodys.pk) not in html


def test_a_superuser_sees_all(team):
    rows = [session(team), session()]
    html = signed_in(root()).get(address(LABEL)).content.decode()
    assert all(str(row.pk) in html for row in rows)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?running=yes", {"running"}),
        ("?running=no", {"over", "finished"}),
        ("?needs_review__exact=1", {"finished"}),
        ("?track__exact=data", {"over"}),
        ("?q=RUNNING", {"running"}),
        ("?q=Анна", {"over"}),
        ("?q=анна", {"over"}),
    ],
)
def test_interviews_are_found(recruiter, team, query, expected):
    now = timezone.now()

    def make(name, **fields):
        session(team, candidate=User.objects.create_user(nickname=name), **fields)

    make("running")
    make(
        "over",
        track="data",
        started_at=now - timedelta(hours=2),
        ends_at=now - timedelta(hours=1),
        invite=invite(team, candidate_name="Анна анна"),
    )
    make("finished", state="finished", needs_review=True)
    rows = recruiter.get(address(LABEL) + query).context["cl"].result_list
    assert {row.candidate.nickname for row in rows} == expected


def test_a_team_filter_names_no_other_team(recruiter, team):
    session(team)
    session(Team.objects.create(name="Secret team"))
    assert "Secret team" not in recruiter.get(address(LABEL)).content.decode()


# --- The report ---------------------------------------------------------------------------------


def test_the_report_is_one_page_with_everything(recruiter, team):
    of = session(team, theta=0.8, theta_se=0.4)
    Consent.objects.create(session=of, version="2026-11", taken_by="candidate")
    task = assignment(of=of)
    attempt(to=task, code="print('my code')", result={"tests": [
        {"name": "hidden-2", "visible": False, "verdict": "WA", "stdout": "0\n"},
    ]})  # fmt: skip
    Message.objects.create(session=of, seq=1, role="candidate", text="my question")
    signal(of=of, payload={"chars": 300, "source": "external", "text": "pasted text"})
    html = recruiter.get(page_of(of)).content.decode()
    for words in (
        "0.80 ± 0.40", "my question", "print(&#x27;my code&#x27;)", "hidden-2", "40 2",
        "pasted text", "Pasted 300 characters from elsewhere", "2026-11", "Sum",
    ):  # fmt: skip
        assert words in html


def test_what_a_candidate_wrote_is_escaped_everywhere(recruiter, team):
    of = session(team, invite=invite(team, candidate_name=EVIL, email="a@example.org"))
    User.objects.filter(pk=of.candidate_id).update(nickname=EVIL)
    task = assignment(of=of)
    result = {"tests": [
        {"name": EVIL, "visible": False, "verdict": "WA", "stdout": EVIL, "stderr": EVIL},
    ]}  # fmt: skip
    attempt(to=task, code=f"</pre>{EVIL}", result=result, operator_detail=EVIL)
    CodeRun.objects.create(
        assignment=task, language="python", code=EVIL, stdin=EVIL, result={"own": {"stdout": EVIL}}
    )
    Draft.objects.create(assignment=task, language="python", code=EVIL)
    Message.objects.create(session=of, seq=1, role="candidate", text=EVIL)
    signal(of=of, payload={"chars": 900, "source": "external", "text": EVIL, "place": EVIL})
    signal(of=of, type=EVIL[:60], known=False, payload={EVIL: EVIL})
    for path in (page_of(of), address(LABEL), address("telemetry.AntiCheatSignal")):
        html = recruiter.get(path).content.decode()
        assert inline_scripts(html) == []
        assert "<script>" not in html
    html = recruiter.get(page_of(of)).content.decode()
    assert html.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;") >= 10


@pytest.mark.parametrize("path", ["change", "history", "end", "minutes", "reviewed"])
def test_the_pages_of_another_team_are_not_there(outsider, team, path):
    of = session(team)
    answer = outsider.get(address(LABEL, path, of.pk))
    assert answer.status_code in (302, 404)
    if answer.status_code == 302:  # Django's own pages send away with a message
        assert answer["Location"] == "/admin/"


@pytest.mark.parametrize("path", ["change", "end", "minutes", "reviewed"])
def test_an_interview_without_a_team_is_for_superusers(recruiter, path):
    of = session()
    assert recruiter.get(address(LABEL, path, of.pk)).status_code == 404
    assert signed_in(root()).get(address(LABEL, path, of.pk)).status_code == 200


@pytest.mark.parametrize("path", ["change", "end", "minutes", "reviewed"])
def test_an_analyst_is_refused(analyst, team, path):
    assert analyst.get(address(LABEL, path, session(team).pk)).status_code == 403


def test_a_report_that_was_opened_is_written_down_once_an_hour(recruiter, team):
    of = session(team)
    for _time in range(3):
        recruiter.get(page_of(of))
    (entry,) = LogEntry.objects.filter(object_id=str(of.pk))
    assert (entry.change_message, str(entry.user)) == ("Opened the report.", "recruiter")


def test_the_report_changes_nothing(recruiter, team):
    of = session(team)
    assert recruiter.post(page_of(of), {"theta": "3"}).status_code == 405


# --- Decisions ----------------------------------------------------------------------------------


def buttons(client: Client, of: InterviewSession) -> set[str]:
    names = {name: page_of(of, name) for name in ("end", "minutes", "reviewed")}
    links = {
        attrs.get("href") for _tag, attrs in elements(client.get(page_of(of)).content.decode())
    }
    return {name for name, path in names.items() if path in links}


def test_buttons_follow_the_state(recruiter, team):
    assert buttons(recruiter, session(team)) == {"end", "minutes"}
    assert buttons(recruiter, session(team, needs_review=True)) == {"end", "minutes", "reviewed"}
    assert buttons(recruiter, session(team, state="finished", needs_review=True)) == {"reviewed"}


def test_whoever_may_only_look_decides_nothing(team):
    of = session(team, needs_review=True)
    client = viewer(team)
    assert buttons(client, of) == set()
    for name in ("end", "minutes", "reviewed"):
        assert client.get(page_of(of, name)).status_code == 403
        assert client.post(page_of(of, name), {"minutes": "5"}).status_code == 403
    chosen = {"action": "mark_reviewed", "_selected_action": [str(of.pk)]}
    client.post(address(LABEL), chosen)
    of.refresh_from_db()
    assert (of.state, of.needs_review) == ("active", True)


def test_an_interview_is_ended_after_a_question(recruiter, team):
    of = session(team)
    assert recruiter.get(page_of(of, "end")).status_code == 200
    of.refresh_from_db()
    assert of.state == "active"
    answer = recruiter.post(page_of(of, "end"))
    assert (answer.status_code, answer["Location"]) == (302, page_of(of))
    of.refresh_from_db()
    assert (of.state, of.finish_reason) == ("finished", "recruiter")
    assert LogEntry.objects.filter(change_message="Ended the interview.").count() == 1


def test_minutes_are_added(recruiter, team):
    of = session(team)
    ends = of.ends_at
    recruiter.post(page_of(of, "minutes"), {"minutes": "20", "why": "network"})
    of.refresh_from_db()
    assert of.ends_at == ends + timedelta(minutes=20)
    assert LogEntry.objects.get().change_message == "Added 20 minutes. network"


@pytest.mark.parametrize("minutes", ["0", "241", "many", ""])
def test_a_wrong_number_of_minutes_is_said(recruiter, team, minutes):
    of = session(team)
    answer = recruiter.post(page_of(of, "minutes"), {"minutes": minutes})
    assert answer.status_code == 200
    assert answer.context["form"].errors


def test_minutes_for_what_is_over_are_refused_in_words(recruiter, team):
    of = session(team, state="finished")
    answer = recruiter.post(page_of(of, "minutes"), {"minutes": "5"}, follow=True)
    assert "time can be added only while it runs" in answer.content.decode()


def test_an_interview_is_marked_as_reviewed(recruiter, team):
    of = session(team, needs_review=True)
    recruiter.post(page_of(of, "reviewed"), {"note": "own snippet"})
    of.refresh_from_db()
    assert not of.needs_review
    assert LogEntry.objects.get().change_message == "Reviewed. own snippet"


def test_several_are_marked_at_once_and_only_ones_own(recruiter, team):
    mine = session(team, needs_review=True)
    other = session(Team.objects.create(name="Other"), needs_review=True)
    chosen = {"action": "mark_reviewed", "_selected_action": [str(mine.pk), str(other.pk)]}
    recruiter.post(address(LABEL), chosen)
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.needs_review, other.needs_review) == (False, True)


# --- Exports ------------------------------------------------------------------------------------

CSV, XLSX, JSON = "0", "1", "2"


def exported(client: Client, label: str, form: str, query: str = "", **extra):
    page = client.get(address(label, "export"))
    names = [
        name
        for name in page.context["form"].fields
        if name.startswith(("session", "attempt", "signal", "standing"))
    ]
    data = dict.fromkeys(names, "on") | {"format": form, "resource": "0"} | extra
    return client.post(address(label, "export") + query, data)


def rows(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_interviews_are_exported_as_csv(recruiter, team):
    of = session(team, theta=-0.5, invite=invite(team, candidate_name='=HYPERLINK("x")'))
    task = assignment(of=of, close_reason="accepted", state="closed")
    attempt(to=task)
    session(Team.objects.create(name="Other"))
    (row,) = rows(exported(recruiter, LABEL, CSV))
    assert row["id"] == str(of.pk)
    assert row["invited_as"] == '\'=HYPERLINK("x")'
    assert row["theta"] == "-0.5"
    assert (row["state"], row["team"], row["track"]) == ("active", "Core", "algorithms")
    assert (row["tasks"], row["accepted"], row["attempts"]) == ("1", "1", "1")


def test_interviews_are_exported_as_xlsx_with_numbers_and_dates(recruiter, team):
    of = session(team, theta=-0.5)
    answer = exported(recruiter, LABEL, XLSX)
    sheet = load_workbook(io.BytesIO(answer.content)).active
    head, values = [[cell.value for cell in line] for line in sheet.iter_rows()]
    row = dict(zip(head, values, strict=True))
    assert row["theta"] == -0.5
    assert row["started_at"].replace(microsecond=0) == of.started_at.replace(
        tzinfo=None, microsecond=0
    )


def test_interviews_are_exported_as_json_unaltered(recruiter, team):
    session(team, theta=0.25, invite=invite(team, candidate_name="=1+1"))
    (row,) = json.loads(exported(recruiter, LABEL, JSON).content)
    assert (row["invited_as"], row["theta"], row["needs_review"]) == ("=1+1", 0.25, False)


def test_an_export_follows_the_filters(recruiter, team):
    session(team)
    session(team, track="data")
    answer = exported(recruiter, LABEL, CSV, "?track__exact=data")
    assert [row["track"] for row in rows(answer)] == ["data"]


def test_an_export_of_ticked_rows_holds_no_others(recruiter, team):
    mine, _second = session(team), session(team)
    other = session(Team.objects.create(name="Other"))
    chosen = {"action": "export_admin_action", "_selected_action": [str(mine.pk)]}
    assert recruiter.post(address(LABEL), chosen).status_code == 200
    answer = exported(recruiter, LABEL, CSV, export_items=[str(mine.pk)])
    assert [row["id"] for row in rows(answer)] == [str(mine.pk)]
    answer = exported(recruiter, LABEL, CSV, export_items=[str(other.pk)])
    assert answer.context["form"].errors["export_items"]


def test_attempts_are_exported_with_their_code(recruiter, team):
    made = attempt(team, code="@SUM(1)\nprint('x')")
    attempt(Team.objects.create(name="Other"))
    (row,) = rows(exported(recruiter, "tasks.Attempt", CSV))
    assert row["code"] == "'@SUM(1)\nprint('x')"
    assert (row["session_id"], row["verdict"]) == (str(made.assignment.session_id), "WA")
    assert row["candidate"] == str(made.assignment.session.candidate)


def test_code_that_xlsx_cannot_hold_is_still_exported(recruiter, team):
    attempt(team, code="a\x0bb = '=1'")
    answer = exported(recruiter, "tasks.Attempt", XLSX)
    sheet = load_workbook(io.BytesIO(answer.content)).active
    cells = [cell.value for line in sheet.iter_rows() for cell in line]
    assert "a\ufffdb = '=1'" in cells


def test_signals_are_exported(recruiter, team):
    signal(team, payload={"chars": 5, "source": "external", "text": "=2+2"})
    (row,) = rows(exported(recruiter, "telemetry.AntiCheatSignal", CSV))
    assert (row["type"], row["chars"], row["source"]) == ("paste", "5", "external")
    assert json.loads(row["payload"])["text"] == "=2+2"


@pytest.mark.parametrize("label", [LABEL, "tasks.Attempt", "telemetry.AntiCheatSignal"])
def test_an_analyst_exports_no_candidates(analyst, label):
    assert analyst.get(address(label, "export")).status_code == 403
    assert analyst.post(address(label, "export"), {"format": CSV}).status_code == 403


def test_a_recruiter_exports_no_standings(recruiter):
    assert recruiter.get(address("leaderboard.Standing", "export")).status_code == 403


def test_an_export_is_written_down(recruiter, team):
    session(team)
    exported(recruiter, LABEL, CSV)
    assert LogEntry.objects.get().change_message == "Exported 1 rows as csv."
