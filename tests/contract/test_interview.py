"""Section 6 of the contract: the life of an interview, and what the interviewer says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from interviews import answering, flow
from interviews.interviewer import script
from interviews.interviewer.assemble import context_for
from interviews.models import InterviewSession, Invite, Team
from interviews.models.sessions import FinishReason
from tasks import evaluation
from tasks.models import Assignment, CodeRun
from tests.contract.racing import race
from tests.tasks.factories import RIGHT, WRONG, SessionFactory, TaskFactory

pytestmark = pytest.mark.django_db(transaction=True)

BASIC = {"track": "algorithms", "level": "junior"}


@pytest.fixture(autouse=True)
def _drained(transactional_db):
    yield
    assert evaluation.drain(30)
    answering.stop()


@pytest.fixture
def invite(db):
    team = Team.objects.create(name="Core")
    return Invite.objects.create(team=team, track="algorithms", level="senior", time_factor="2")


def start(api, **body):
    return api.post("/interview/start", body, format="json")


def statuses(answers):
    return sorted(answer.status_code for answer in answers)


# --- Starting -----------------------------------------------------------------------------------


def test_racing_starts_make_one_session_with_one_greeting(api):
    found = race(*(lambda: start(api, **BASIC) for _ in range(4)))
    assert statuses(found) == [200, 200, 200, 201]
    assert len({answer.content for answer in found}) == 1
    session = InterviewSession.objects.get()
    assert session.messages.get().text == found[0].json()["greeting"]


def test_racing_starts_of_different_levels_make_one_session(api):
    found = race(*(lambda n=n: start(api, track="data", level=n) for n in ("junior", "senior")))
    assert statuses(found) == [201, 409]
    refused = next(answer.json() for answer in found if answer.status_code == 409)
    session = InterviewSession.objects.get()
    assert (refused["code"], refused["session_id"]) == ("session_active", str(session.pk))


def test_of_two_candidates_racing_for_an_invite_one_gets_it(api, stranger_api, invite):
    found = race(*(lambda a=a: start(a, invite=invite.token) for a in (api, stranger_api)))
    assert statuses(found) == [201, 409]
    refused = next(answer.json() for answer in found if answer.status_code == 409)
    assert refused["code"] == "invite_used"
    session = InterviewSession.objects.get()
    assert (session.level, session.team, session.invite) == ("senior", invite.team, invite)
    assert session.ends_at - session.started_at == timedelta(minutes=180)


def test_fields_that_are_null_count_as_not_given(api, invite):
    answer = start(api, track=None, level=None, locale=None, invite=invite.token, consent=None)
    assert answer.status_code == 201
    refused = start(api, track=None, level="junior")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["track"])


def test_consent_without_signals_refuses_them(api):
    consent = {"version": "2026-01", "signals": False, "video": False}
    session_id = start(api, **BASIC, consent=consent).json()["session_id"]
    event = {"event_id": "e1", "type": "blur", "ts": "2026-01-01T00:00:00Z"}
    refused = api.post(
        "/telemetry/anticheat", {"session_id": session_id, "events": [event]}, format="json"
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "no_consent")


def test_russian_from_the_greeting_to_the_verdict(api, settings):
    TaskFactory()
    started = start(api, **BASIC, locale="ru").json()
    assert started["greeting"].startswith(("Здравствуйте", "Добро пожаловать"))
    ask = {"session_id": started["session_id"]}
    task = api.get("/tasks/next", ask).json()["task"]
    assert task["title"] == "Сумма"
    body = {**ask, "task_id": task["id"], "language": "python", "code": WRONG}
    assert api.post("/tasks/check", body, format="json").status_code == 200
    reaction = InterviewSession.objects.get().messages.get(kind="verdict")
    assert "2 из 3" in script.reply(context_for(reaction))


# --- The end ------------------------------------------------------------------------------------


def test_an_interview_ends_once_however_many_end_it(candidate, api):
    session = SessionFactory(candidate=candidate)
    InterviewSession.objects.update(
        started_at=timezone.now() - timedelta(hours=2),
        ends_at=timezone.now() - timedelta(seconds=1),
    )
    body = {"session_id": str(session.pk)}
    found = race(
        lambda: api.post("/interview/finish", body, format="json").json(),
        lambda: api.post("/interview/finish", body, format="json").json(),
        flow.sweep,
    )
    assert found[0] == found[1]
    session.refresh_from_db()
    assert (session.finish_reason, session.finished_at) == (FinishReason.TIME, session.ends_at)
    assert [m.kind for m in session.messages.all()] == ["closing"]


def test_a_sweep_goes_on_after_what_it_cannot_close(candidate, stranger, monkeypatch):
    past = timezone.now() - timedelta(hours=1)
    for user in (candidate, stranger):
        SessionFactory(candidate=user, started_at=past - timedelta(hours=1), ends_at=past)
    end, asked = flow.end, []

    def failing_once(session, *arguments, **options):
        asked.append(session)
        if len(asked) == 1:
            raise ArithmeticError
        return end(session, *arguments, **options)

    monkeypatch.setattr(flow, "end", failing_once)
    assert flow.sweep()["closed"] == 1
    assert flow.sweep()["closed"] == 1


def test_state_changing_calls_with_a_cookie_need_the_csrf_token(candidate):
    SessionFactory(candidate=candidate)
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(candidate)
    session_id = str(InterviewSession.objects.get().pk)
    assert browser.get(f"/interview/{session_id}").status_code == 200
    for path, body in (
        ("/interview/finish", {}),
        ("/chat/send", {"message": "x"}),
        ("/tasks/skip", {"task_id": "x"}),
    ):
        answer = browser.post(path, {"session_id": session_id, **body}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed"), path


# --- What the interviewer says about an attempt -------------------------------------------------

IN_TIME = "a, b = map(int, input().split())\nif a > 9:\n    {hidden}\nprint(a + b)\n"
BAD = "a, b = map(int, input().split())\nif a > 9:\n    {hidden}\nprint(a - b)\n"
SPIN = "while True: pass"
FLOOD = "print('x' * 10**6)"
HOG = "x = b'x' * 10**9"

REACTIONS = [
    # code, verdict, what is said in English, in Russian, what is not said
    ("print(0)", "WA", ["sample-1", "1 2"], ["sample-1", "1 2"], ["The visible tests pass"]),
    ("pass", "WA", ["It prints nothing at all"], ["не печатает ничего"], []),
    (WRONG, "WA", ["2 of 3"], ["2 из 3"], ["sample", "40 2"]),
    (SPIN, "TLE", ["Not one test finishes"], ["Не завершается ни один тест"], []),
    (IN_TIME.format(hidden=SPIN), "TLE", ["2 of 3"], ["2 из 3"], ["Not one test"]),
    (BAD.format(hidden=SPIN), "TLE", ["sample-1", "run out of time as well"],
     ["sample-1", "не хватает и времени"], ["Not one test"]),
    ("import os\nx = 1\nx / 0", "RTE", ["ZeroDivisionError", "line 3"],
     ["ZeroDivisionError", "строке 3"], []),
    ("import sys\nsys.exit(3)", "RTE", ["exit code 3"], ["кодом 3"], []),
    ("import os\nos.abort()", "RTE", ["SIGABRT"], ["SIGABRT"], []),
    (IN_TIME.format(hidden="[][5]"), "RTE", ["on a hidden test", "2 of 3"],
     ["скрытом тесте", "2 из 3"], ["IndexError"]),
    (BAD.format(hidden="[][5]"), "RTE", ["sample-1", "crashes as well"],
     ["sample-1", "ещё и падает"], ["IndexError"]),
    ("def f(:", "CE", ["SyntaxError"], ["SyntaxError"], ["sample"]),
    (HOG, "MLE", ["256 MiB"], ["256 МиБ"], []),
    (BAD.format(hidden=HOG), "MLE", ["sample-1", "out of memory as well"],
     ["sample-1", "не хватает и памяти"], []),
    (FLOOD, "OLE", ["prints far more"], ["намного больше"], []),
    (BAD.format(hidden=FLOOD), "OLE", ["sample-1", "far too much"],
     ["sample-1", "вывод слишком велик"], []),
    (RIGHT, "AC", ["3"], ["3"], ["sample"]),
]  # fmt: skip


@pytest.fixture
def interview(api, candidate, settings):
    """A function that checks code in a running interview and gives the reaction's context."""
    settings.TASK_ATTEMPTS = 99
    session = SessionFactory(candidate=candidate)
    TaskFactory(cpu_s=0.4)
    ask = {"session_id": str(session.pk)}
    task_id = api.get("/tasks/next", ask).json()["task"]["id"]

    def check(code, **more):
        body = {**ask, "task_id": task_id, "language": "python", "code": code, **more}
        answer = api.post("/tasks/check", body, format="json")
        assert answer.status_code == 200, answer.content
        return answer.json(), context_for(session.messages.filter(kind="verdict").last())

    return check


def test_the_reaction_fits_every_verdict_in_both_languages(interview):
    for code, verdict, english, russian, never in REACTIONS:
        answer, context = interview(code)
        assert answer["verdict"] == verdict, code
        for seed in range(4):  # every phrasing
            for locale, wanted in (("en", english), ("ru", russian)):
                said = script.reply(
                    replace(context, seed=f"{context.seed}{seed}", locale=locale, history=())
                )
                assert all(words in said for words in wanted), (code, said)
                assert not any(words in said for words in never), (code, said)
                assert "40 2" not in said  # the hidden input


def test_the_reaction_to_an_internal_error_apologises(interview, settings):
    settings.SANDBOX = "nowhere"
    answer, context = interview(RIGHT)
    assert answer["verdict"] == "IE"
    assert "no attempt and no time" in script.reply(context)
    assert "ни попытки, ни времени" in script.reply(replace(context, locale="ru"))


def test_the_reaction_to_a_function_shows_what_it_returned(api, candidate):
    session = SessionFactory(candidate=candidate)
    TaskFactory(kind="function", entry="add", checker="json")
    ask = {"session_id": str(session.pk)}
    task_id = api.get("/tasks/next", ask).json()["task"]["id"]
    for code, words in (
        ("def add(a, b):\n    return [a]\n", ["[1, 2]", "[1]"]),
        ("import os\ndef add(a, b):\n    os._exit(0)\n", ["no answer that counts"]),
        ("def add(a, b):\n    return {a}\n", ["no answer that counts", "type set"]),
        ("def sub(a, b):\n    return a\n", ["does not define the function add"]),
    ):
        body = {**ask, "task_id": task_id, "language": "python", "code": code}
        api.post("/tasks/check", body, format="json")
        said = script.reply(context_for(session.messages.filter(kind="verdict").last()))
        assert all(word in said for word in words), said


def test_a_run_that_failed_is_what_a_question_is_about(interview, api):
    interview(WRONG)
    session = InterviewSession.objects.get()
    body = {
        "session_id": str(session.pk),
        "task_id": str(Assignment.objects.get().task_id),
        "language": "python",
        "code": "print(0)",
    }
    assert api.post("/tasks/run", body, format="json").json()["verdict"] == "WA"
    assert CodeRun.objects.count() == 1
    send = {"session_id": str(session.pk), "message": "why is it wrong?"}
    reply_id = api.post("/chat/send", send, format="json").json()["reply_id"]
    assert "sample-1" in script.reply(context_for(session.messages.get(pk=reply_id)))


# --- The question about submitted code ----------------------------------------------------------


def test_a_strong_signal_leads_to_one_question_about_accepted_code(interview, api):
    TaskFactory()
    InterviewSession.objects.update(needs_review=True)
    session = InterviewSession.objects.get()
    interview(WRONG)
    assert not session.messages.filter(kind="proof").exists()
    interview(RIGHT)
    kinds = [message.kind for message in session.messages.all()]
    assert kinds == ["verdict", "verdict", "proof"]
    question = session.messages.get(kind="proof")
    attempt = Assignment.objects.get().attempts.last()
    assert question.meta["attempt_id"] == str(attempt.pk)
    assert "a, b = map(int, input().split())" in script.reply(context_for(question))

    ask = {"session_id": str(session.pk)}
    second = api.get("/tasks/next", ask).json()["task"]["id"]
    body = {**ask, "task_id": second, "language": "python", "code": RIGHT}
    assert api.post("/tasks/check", body, format="json").json()["verdict"] == "AC"
    assert session.messages.filter(kind="proof").count() == 1


def test_a_signal_that_only_this_attempt_makes_strong_counts_already(interview, api):
    """A paste of what is then submitted becomes a finding with the attempt itself."""
    session_id = str(InterviewSession.objects.get().pk)
    code = RIGHT + "".join(f"# a long line of a comment, number {n}\n" for n in range(20))
    consent_to(session_id)
    paste = {
        "event_id": "p1",
        "type": "paste",
        "ts": timezone.now().isoformat(),
        "task_id": str(Assignment.objects.get().task_id),
        "payload": {"chars": len(code), "source": "external", "text": code},
    }
    sent = api.post(
        "/telemetry/anticheat", {"session_id": session_id, "events": [paste]}, format="json"
    )
    assert sent.status_code == 200, sent.content
    interview(code)
    session = InterviewSession.objects.get()
    assert session.needs_review
    assert session.messages.filter(kind="proof").count() == 1


def consent_to(session_id):
    from interviews.models import Consent

    Consent.objects.create(session_id=session_id, version="1", signals=True)


def test_without_a_signal_nothing_is_asked(interview):
    interview(RIGHT)
    assert not InterviewSession.objects.get().messages.filter(kind="proof").exists()
