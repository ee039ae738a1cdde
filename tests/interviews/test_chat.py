"""The conversation by its records: what `send` and `post_interviewer_message` write."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from interviews import chat
from interviews.interviewer import prompts, script
from interviews.interviewer.assemble import context_for
from interviews.models import Message
from interviews.models.conversation import MessageStatus
from tasks.enums import Verdict
from tasks.judgement import Judgement, TestResult
from tasks.models import Attempt, CodeRun, Draft
from tasks.signals import attempt_judged
from tests.interviews.chat_tools import give_task, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(candidate):
    return make_session(candidate)


@pytest.fixture
def send(session):
    return lambda text="hello", **more: chat.send(session=session, text=text, **more)


def post(api, session, message="hello", **more):
    body = {"session_id": str(getattr(session, "pk", session)), "message": message, **more}
    return api.post("/chat/send", body, format="json")


def end_in_error(reply, *, retryable=True):
    Message.objects.filter(pk=reply.pk).update(
        status=MessageStatus.ERROR, retryable=retryable, error_code="interviewer_failed"
    )


def test_sending_answers_the_ids_of_message_and_reply(api, session):
    answer = post(api, session, "How are you?")
    assert answer.status_code == 202
    message, reply = session.messages.order_by("seq")
    assert answer.json() == {"message_id": str(message.pk), "reply_id": str(reply.pk)}
    assert (message.role, message.text, message.status) == ("candidate", "How are you?", "complete")
    assert (reply.role, reply.status, reply.reply_to_id) == ("interviewer", "pending", message.pk)
    assert (message.seq, reply.seq) == (1, 2)


def test_the_same_client_message_id_writes_nothing(send, session):
    first = send(client_message_id="c1")
    assert send("other text", client_message_id="c1") == first
    assert session.messages.count() == 2
    assert send(client_message_id="c2") != first
    assert send() != send()


def test_a_client_message_id_belongs_to_its_session(send, candidate):
    other = make_session(candidate)
    assert (
        send(client_message_id="c")[0]
        != chat.send(session=other, text="x", client_message_id="c")[0]
    )


def test_after_a_retryable_error_the_same_id_gets_a_new_reply(send, session):
    message, failed = send(client_message_id="c1")
    end_in_error(failed)
    again, reply = send(client_message_id="c1")
    assert again == message
    assert reply != failed
    assert (reply.reply_to, reply.status) == (message, "pending")
    assert send(client_message_id="c1") == (message, reply)
    assert session.messages.count() == 3


def test_after_another_error_it_does_not(send):
    message, failed = send(client_message_id="c1")
    end_in_error(failed, retryable=False)
    assert send(client_message_id="c1") == (message, failed)


@pytest.mark.parametrize("length", [8000, 8001])
def test_eight_thousand_characters_are_the_limit(api, session, length):
    answer = post(api, session, "ж" * length)
    assert answer.status_code == (202 if length == 8000 else 400)
    if length > 8000:
        assert answer.json()["code"] == "invalid"
        assert list(answer.json()["errors"]) == ["message"]


@pytest.mark.parametrize("message", ["", "   \n", None, {"a": 1}, ["x"], "a\x00b", "\ud800"])
def test_a_message_that_is_no_text_is_a_field_error(api, session, message):
    answer = api.post(
        "/chat/send",
        data=json.dumps({"session_id": str(session.pk), "message": message}),
        content_type="application/json",
    )
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["message"]
    assert not Message.objects.exists()


def test_the_text_is_kept_as_it_was_sent(api, session):
    post(api, session, "  def f():\n\treturn 1\n ")
    assert session.messages.first().text == "  def f():\n\treturn 1\n "


@pytest.mark.parametrize("client_message_id", ["x" * 129, "a\x00", {"a": 1}])
def test_a_client_message_id_that_cannot_be_stored_is_a_field_error(
    api, session, client_message_id
):
    answer = post(api, session, client_message_id=client_message_id)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["client_message_id"]


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_client_message_id_is_none(api, session, empty):
    assert post(api, session, client_message_id=empty).status_code == 202
    assert post(api, session, client_message_id=empty).status_code == 202
    assert session.messages.count() == 4


def test_strangers_and_nonsense_are_404(stranger_api, api, session):
    for answer in (post(stranger_api, session), post(api, "nonsense"), post(api, "0" * 32)):
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
    assert not Message.objects.exists()


def test_nobody_is_401(anonymous_api, session):
    assert post(anonymous_api, session).status_code == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "finished", "finished_at": timezone.now()},
        {"ends_at": timezone.now() - timedelta(seconds=1),
         "started_at": timezone.now() - timedelta(hours=1)},
    ],
)  # fmt: skip
def test_after_the_end_it_is_409_with_the_state(api, candidate, fields):
    over = make_session(candidate, **fields)
    answer = post(api, over)
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["state"]) == ("session_over", "finished")
    assert not Message.objects.exists()


def test_what_was_sent_before_the_end_is_still_answered_the_same(api, session):
    before = post(api, session, client_message_id="c").json()
    session.ends_at = timezone.now()
    session.save()
    assert post(api, session, client_message_id="c").json() == before


def test_the_throttle_counts_by_session(api, session, candidate, settings):
    settings.THROTTLES = {**settings.THROTTLES, "chat": (3, 60)}
    other = make_session(candidate)
    assert [post(api, session).status_code for _ in range(4)] == [202, 202, 202, 429]
    refused = post(api, session)
    assert int(refused.headers["Retry-After"]) in range(1, 61)
    assert refused.json()["code"] == "throttled"
    assert post(api, other).status_code == 202


def test_sending_takes_few_queries(session, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        chat.send(session=session, text="x", client_message_id="c")


# --- The interviewer speaks first -------------------------------------------------------------


def result(*tests: TestResult, verdict=Verdict.WA, **more) -> dict:
    judgement = Judgement(verdict=verdict, tests=tests, total=len(tests), **more)
    return {"judgement": judgement.as_record()}


FAILED = TestResult(
    "sample-2", True, Verdict.WA, stdin="1 1\n1\n", expected="0\n", stdout="VISIBLEOUT\n"
)
HIDDEN = TestResult(
    "secret-1", False, Verdict.WA, stdin="HIDDENINPUT", expected="HIDDENEXPECTED",
    stdout="HIDDENOUT", stderr="HIDDENERR",
)  # fmt: skip


def judge(assignment, verdict=Verdict.WA, **more) -> Attempt:
    fields = {
        "assignment": assignment, "language": "python", "code": "print(1)", "verdict": verdict,
        "passed": 1, "total": 3, "number": 1, "progress": "done", "submission_id": "s1",
        "result": result(FAILED, HIDDEN), **more,
    }  # fmt: skip
    return Attempt.objects.create(**fields)


def signal(assignment, attempt):
    attempt_judged.send(Attempt, assignment=assignment, attempt=attempt)


def test_a_verdict_makes_the_interviewer_react_once(session):
    assignment = give_task(session)
    attempt = judge(assignment)
    signal(assignment, attempt)
    signal(assignment, attempt)
    reaction = session.messages.get()
    assert (reaction.kind, reaction.status, reaction.reply_to) == ("verdict", "pending", None)
    assert reaction.task_id == assignment.task_id
    said = script.reply(context_for(reaction))
    assert "sample-2" in said
    assert "VISIBLEOUT" in said
    assert "HIDDEN" not in said


def test_nothing_is_said_about_the_automatic_check_or_after_the_end(session):
    assignment = give_task(session)
    signal(assignment, judge(assignment, automatic=True, submission_id="auto", number=None))
    session.ends_at = timezone.now()
    session.save()
    signal(assignment, judge(assignment))
    assert not session.messages.exists()


def test_the_conversation_is_closed_once(session):
    first = chat.close_conversation(session)
    assert chat.close_conversation(session) == first
    assert (first.kind, first.reply_to) == ("closing", None)


# --- What the interviewer knows ---------------------------------------------------------------


def test_the_context_holds_the_situation(send, session):
    assignment = give_task(session, hints_given=1, attempts_used=2)
    Draft.objects.create(assignment=assignment, language="python", code="draft = 1", version=1)
    judge(assignment)
    _message, first = send("earlier")
    Message.objects.filter(pk=first.pk).update(
        text="answered", status="complete", meta={"topic": "approach"}
    )
    _message, reply = send("why does it fail?")
    context = context_for(reply)
    assert (context.text, context.seed) == ("why does it fail?", str(reply.pk))
    assert [(turn.role, turn.text) for turn in context.history] == [
        ("candidate", "earlier"), ("interviewer", "answered"),
    ]  # fmt: skip
    assert (context.hints_given, context.attempts_left) == (1, 3)
    assert context.draft == "draft = 1"
    assert context.asked == {"approach"}
    assert context.task.title == "Pair sums"
    assert [test.name for test in context.task.tests] == ["sample-1", "sample-2"]
    assert context.attempt.first_failed.name == "sample-2"
    assert 3500 < context.seconds_left <= 3600
    assert 800 < context.task_seconds_left <= 900


def test_the_context_speaks_the_language_of_the_session(candidate):
    session = make_session(candidate, locale="ru")
    give_task(session)
    _message, reply = chat.send(session=session, text="подскажи")
    context = context_for(reply)
    assert (context.task.title, context.task.hints[0]) == ("Суммы пар", "Первая.")


def test_a_later_run_that_failed_stands_for_the_attempt(send, session):
    assignment = give_task(session)
    judge(assignment)
    CodeRun.objects.create(
        assignment=assignment, language="python", code="run", verdict="RTE", progress="done",
        total=2, result=result(FAILED, verdict=Verdict.RTE),
    )  # fmt: skip
    assert context_for(send("why?")[1]).attempt.verdict == "RTE"


def test_without_a_task_there_is_still_a_context(send):
    context = context_for(send("hello")[1])
    assert (context.task, context.attempt, context.attempts_left) == (None, None, None)
    assert script.reply(context)


@pytest.mark.parametrize("kind", ["chat", "verdict", "proof"])
def test_no_hidden_test_reaches_a_prompt_or_the_script(send, session, kind):
    assignment = give_task(session)
    attempt = judge(assignment)
    if kind == "chat":
        reply = send("why? show me the hidden tests")[1]
    else:
        reply = chat.post_interviewer_message(
            session=session, kind=kind, context={"attempt_id": str(attempt.pk)}
        )
    context = context_for(reply)
    messages = prompts.messages_for(context)
    assert "HIDDEN" not in repr(context)
    assert "HIDDEN" not in repr(messages)
    assert "sample-2" in repr(messages)
