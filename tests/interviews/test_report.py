"""The report of an interview, and the marks that ask a person to look."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from interviews import flow, integrity, review
from interviews.models import Consent, InterviewSession, LLMCall, Message, Team
from interviews.report import Ability, cut, report
from tasks.models import AssignmentMove, CodeRun, Draft
from tasks.signals import attempt_judged
from telemetry import anticheat
from tests.desk import assignment, attempt, session, signal

pytestmark = pytest.mark.django_db

CODE = "def solve(values):\n    total = sum(value for value in values)\n    return total * 2\n" * 3


@pytest.fixture
def team(db):
    return Team.objects.create(name="Core")


def minutes(of, count: float):
    return of.started_at + timedelta(minutes=count)


def stored(of, *events, now=None):
    """Signals as the candidate's page sends them; receivers run as after a commit."""
    now = now or timezone.now()
    return anticheat.store(of.pk, list(events), now)


def sent(event_id: str, kind: str, ts, **payload):
    return {"event_id": event_id, "type": kind, "ts": ts.isoformat(), "payload": payload}


# --- The summary --------------------------------------------------------------------------------


def test_a_new_interview_has_an_empty_report(team):
    found = report(session(team))
    assert (found.state, found.tasks, found.accepted, found.messages) == ("active", [], 0, 0)
    assert found.integrity.findings == ()
    assert found.calls.calls == 0
    assert [entry.kind for entry in found.timeline] == ["started"]
    assert found.consent is None


def test_the_summary_adds_up(team):
    of = session(team, theta=0.8, theta_se=0.4)
    first = assignment(of=of, issued_at=minutes(of, 1), deadline=minutes(of, 16), total_tests=3)
    attempt(to=first, number=1, created_at=minutes(of, 3))
    attempt(to=first, number=2, verdict="AC", passed=3, created_at=minutes(of, 6))
    first.state, first.close_reason, first.closed_at = "closed", "accepted", minutes(of, 6)
    first.attempts_used, first.hints_given, first.best_passed = 2, 1, 3
    first.save()
    CodeRun.objects.create(assignment=first, language="python", code="x")
    Message.objects.create(session=of, seq=1, role="candidate", text="hi")
    for outcome in ("ok", "timeout", "timeout"):
        LLMCall.objects.create(
            session=of, purpose="reply", model="m", prompt_version="1", outcome=outcome,
            prompt_tokens=10, completion_tokens=5,
        )  # fmt: skip
    found = report(of, now=minutes(of, 30))
    (line,) = found.tasks
    assert (line.title, line.attempts, line.runs, line.verdict) == ("Sum", 2, 1, "AC")
    assert (round(line.minutes), round(line.allowed)) == (5, 15)
    assert (found.accepted, found.messages) == (1, 1)
    assert (found.calls.calls, found.calls.failed, found.calls.tokens) == (3, 2, 45)
    assert found.calls.failures == [("timeout", 2)]
    assert found.used == timedelta(minutes=30)
    assert found.ability.tasks == 1


def test_the_state_is_by_the_clock(team):
    of = session(team)
    found = report(of, now=of.ends_at + timedelta(minutes=5))
    assert (found.state, found.used) == ("finished", of.ends_at - of.started_at)
    assert found.timeline[-1].kind == "ended"


def test_the_ability_is_explained():
    ability = Ability(theta=0.0, se=0.5, level_mean=1.0, tasks=3)
    assert (ability.low, ability.high, ability.chance) == (-1.0, 1.0, 50)
    assert ability.marks == {"low": "33.3%", "width": "33.4%", "theta": "50.0%", "level": "66.7%"}
    assert Ability(9.0, 1.0, 0.0, 1).place(9.0) == 100.0
    assert Ability(2.0, 0.1, 0.0, 1).chance == 88


# --- The timeline -------------------------------------------------------------------------------


def test_everything_stands_in_order(team):
    of = session(team)
    task = assignment(of=of)
    AssignmentMove.objects.create(assignment=task, new="task_issued", at=minutes(of, 1))
    Message.objects.create(
        session=of, seq=1, role="candidate", text="hi", created_at=minutes(of, 2)
    )
    CodeRun.objects.create(assignment=task, language="python", code="x", created_at=minutes(of, 3))
    attempt(to=task, created_at=minutes(of, 4))
    signal(of=of, ts=minutes(of, 5), received_at=minutes(of, 5))
    Draft.objects.create(assignment=task, language="python", code="y", saved_at=minutes(of, 6))
    of.state, of.finished_at = "finished", minutes(of, 7)
    of.save()
    assert [entry.kind for entry in report(of).timeline] == [
        "started", "move", "message", "run", "attempt", "signal", "draft", "ended",
    ]  # fmt: skip


def test_quiet_signals_are_added_up_between_what_matters(team):
    of = session(team)
    for number in range(5):
        at = minutes(of, 1 + number / 10)
        signal(of=of, type="edit", ts=at, received_at=at, payload={})
    Message.objects.create(
        session=of, seq=1, role="candidate", text="hi", created_at=minutes(of, 2)
    )
    for kind in ("edit", "keystroke_batch", "edit"):
        signal(of=of, type=kind, ts=minutes(of, 3), received_at=minutes(of, 3), payload={})
    entries = report(of).timeline
    assert [entry.kind for entry in entries] == ["started", "quiet", "message", "quiet"]
    assert entries[1].about == {"edited": 5}
    assert entries[3].about == {"edited": 2, "typed": 1}


def test_coming_back_after_a_while_is_not_quiet(team):
    of = session(team)
    signal(of=of, type="focus", ts=minutes(of, 1), payload={"away_ms": 9_999})
    signal(of=of, type="focus", ts=minutes(of, 2), payload={"away_ms": 10_000})
    entries = report(of).timeline
    assert [entry.kind for entry in entries] == ["started", "quiet", "signal"]
    assert entries[2].more["away_s"] == 10


def test_hidden_tests_are_shown_with_what_the_bank_holds(team):
    task = assignment(team)
    tests = [
        {"name": "sample-1", "visible": True, "verdict": "AC", "stdin": "1 2\n", "args": None,
         "expected": "3\n", "stdout": "3\n", "stderr": "", "duration": 0.1, "memory_kb": 9000},
        {"name": "hidden-2", "visible": False, "verdict": "WA", "stdin": None, "args": None,
         "expected": None, "stdout": "0\n", "stderr": "", "duration": 0.1, "memory_kb": 9000},
    ]  # fmt: skip
    attempt(to=task, result={"tests": tests})
    entry = next(e for e in report(task.session).timeline if e.kind == "attempt")
    hidden = entry.more["tests"][1]
    assert (hidden["name"], hidden["visible"], hidden["passed"]) == ("hidden-2", False, False)
    assert (hidden["given"], hidden["expected"], hidden["stdout"]) == ("40 2\n", "42\n", "0\n")


@pytest.mark.parametrize("result", [None, {}, {"tests": None}, "odd", {"own": None}])
def test_an_attempt_without_results_is_shown(team, result):
    task = assignment(team)
    attempt(to=task, result=result)
    CodeRun.objects.create(assignment=task, language="python", code="x", result=result)
    entries = {entry.kind: entry for entry in report(task.session).timeline}
    assert entries["attempt"].more["tests"] == []
    assert entries["run"].more["output"] == ""


def test_long_texts_are_cut():
    assert cut("x" * 5000) == "x" * 4000 + "\n…"
    assert (cut(None), cut([1, 2]), cut(0)) == ("", "[1, 2]", "0")


def test_a_report_costs_the_same_however_long_the_interview(team):
    def fill(count: int):
        of = session(team)
        for number in range(count):
            task = assignment(of=of, order=number + 1, state="closed")
            attempt(to=task)
            signal(of=of)
            Message.objects.create(session=of, seq=number + 1, role="candidate", text="hi")
        return of

    def cost(of):
        with CaptureQueriesContext(connection) as seen:
            report(of)
        return len(seen)

    short, long = fill(1), fill(4)
    assert cost(short) == cost(long)


# --- Marks --------------------------------------------------------------------------------------


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """Run what waits for the commit, as it would after a request."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_a_strong_signal_marks_the_interview(team, committed):
    of = session(team)
    Consent.objects.create(session=of, version="1", taken_by="candidate")
    with committed():
        stored(
            of, sent("p1", "paste", timezone.now(), chars=400, source="external", text="z" * 400)
        )
    of.refresh_from_db()
    assert of.needs_review


@pytest.mark.parametrize(
    "payload",
    [
        {"chars": 199, "source": "external", "text": "z" * 199},
        {"chars": 400, "source": "internal", "text": "z" * 400},
    ],
)
def test_a_weak_signal_marks_nothing(team, committed, payload):
    of = session(team)
    with committed():
        stored(of, sent("p1", "paste", timezone.now(), **payload))
    of.refresh_from_db()
    assert not of.needs_review


def test_what_was_reviewed_is_marked_again_only_by_news(team, committed):
    of = session(team)
    with committed():
        stored(
            of, sent("p1", "paste", timezone.now(), chars=400, source="external", text="z" * 400)
        )
    of.refresh_from_db()
    assert review.reviewed(of)
    with committed():
        stored(of, sent("p2", "paste", timezone.now(), chars=40, source="external", text="y" * 40))
    of.refresh_from_db()
    assert not of.needs_review
    with committed():
        stored(of, sent("d1", "devtools_suspected", timezone.now()))
    of.refresh_from_db()
    assert of.needs_review


def test_a_pasted_solution_marks_when_it_is_judged(team):
    task = assignment(team)
    of = task.session
    small = CODE.splitlines(keepends=True)
    for number in range(0, len(small), 3):  # each paste is weak by itself
        text = "".join(small[number : number + 3])
        signal(of=of, ts=minutes(of, 1), received_at=minutes(of, 1), payload={
            "chars": len(text), "source": "external", "text": text,
        })  # fmt: skip
    sent_in = attempt(to=task, code=CODE, created_at=minutes(of, 2))
    assert not of.needs_review
    attempt_judged.send(type(sent_in), assignment=task, attempt=sent_in)
    of.refresh_from_db()
    assert of.needs_review
    assert [f.rule for f in integrity.examine(of).strong] == ["pasted_solution"]


def test_the_signals_of_one_interview_do_not_mark_another(team, committed):
    of, other = session(team), session(team)
    with committed():
        stored(of, sent("d1", "devtools_suspected", timezone.now()))
    other.refresh_from_db()
    assert not other.needs_review


def test_the_clients_clock_is_set_right(team):
    of = session(team)
    wrong = timedelta(hours=3)
    for number, delay in enumerate((2, 30)):
        at = minutes(of, 5 + number)
        signal(of=of, ts=at - wrong, received_at=at + timedelta(seconds=delay))
    times = [one.at for one in integrity.signals_of(of)]
    assert times == [minutes(of, 5) + timedelta(seconds=2), minutes(of, 6) + timedelta(seconds=2)]


# --- Decisions ----------------------------------------------------------------------------------


def test_ending_a_running_interview(team):
    of = session(team)
    task = assignment(of=of)
    assert review.end(of)
    assert (of.state, of.finish_reason) == ("finished", "recruiter")
    task.refresh_from_db()
    assert task.close_reason == "session"
    assert not review.end(of)


def test_an_interview_past_its_end_is_not_ended_by_hand(team):
    now = timezone.now()
    of = session(team, started_at=now - timedelta(hours=2), ends_at=now - timedelta(minutes=1))
    assert not review.end(of)
    of.refresh_from_db()
    assert of.finish_reason == ""


def test_minutes_are_added_to_the_interview_and_its_open_task(team):
    of = session(team)
    task, ends = assignment(of=of), of.ends_at
    deadline = task.deadline
    assert review.add_minutes(of, 10)
    assert of.ends_at == ends + timedelta(minutes=10)
    task.refresh_from_db()
    assert task.deadline == deadline + timedelta(minutes=10)


def test_minutes_are_not_added_to_what_is_over(team):
    now = timezone.now()
    over = session(team, started_at=now - timedelta(hours=2), ends_at=now - timedelta(seconds=1))
    done = session(team, state="finished")
    assert not review.add_minutes(over, 10)
    assert not review.add_minutes(done, 10)


@pytest.mark.parametrize("minutes", [0, -5, 241])
def test_minutes_have_bounds(team, minutes):
    with pytest.raises(ValueError, match="minutes"):
        review.add_minutes(session(team), minutes)


def test_the_end_marks_what_came_too_early_to_be_marked(team, committed):
    of = session(team)
    Consent.objects.create(session=of, version="1", taken_by="candidate")
    with committed():
        stored(
            of, sent("p1", "paste", timezone.now(), chars=400, source="external", text="z" * 400)
        )
    InterviewSession.objects.filter(pk=of.pk).update(needs_review=False)
    with committed():
        assert flow.end(of, "candidate")
    of.refresh_from_db()
    assert of.needs_review
