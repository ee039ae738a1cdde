"""Replies as they are streamed: by the script, by a model, through faults and crashes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from interviews import answering, channels, chat, speaking
from interviews.channels import channel_of
from interviews.interviewer.client import Endpoint
from interviews.models import LLMCall, Message
from neurogame.asgi import application
from tasks.models import Assignment
from tests.interviews.chat_tools import (
    Event,
    Interview,
    check_reply,
    give_task,
    make_session,
    served,
    token_of,
    until,
)
from tests.interviews.model_server import Answer, ModelServer, chunk, fails, says

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model():
    with ModelServer() as server:
        yield server


@contextmanager
def engine(model: ModelServer | None = None, *, endpoint=None, **options):
    """An engine of this process, with a model's server or with the script alone."""
    made = answering.Engine(
        endpoint=endpoint_of(model, **(endpoint or {})) if model else None,
        **{"script_seconds": 0.0, "sweep_s": 0.1, **options},
    )
    answering._engine = made
    made.start()
    try:
        yield made
    finally:
        answering._engine = None
        made.stop()


def endpoint_of(model: ModelServer, **more) -> Endpoint:
    options = {"timeout_s": 5.0, "first_token_timeout_s": 3.0, "backoff_s": 0.01, **more}
    return Endpoint(model.url, "k", "test-model", **options)


@pytest.fixture
def session(candidate):
    return make_session(candidate)


class Watch:
    """What is published about a session from now on."""

    def __init__(self, session) -> None:
        self.channel = channel_of(session.pk)
        self.start = channels.LOG.current_id(self.channel)

    def events(self, reply_id=None) -> list[Event]:
        found = channels.LOG.read(self.channel, self.start, 100_000)
        events = [Event(event.type, str(event.id), json.loads(event.data), 0.0) for event in found]
        return [e for e in events if reply_id in (None, e.data.get("reply_id"))]

    def reply(self, message: Message, seconds: float = 15.0) -> list[Event]:
        """The events of a reply when it has ended."""

        def ended():
            events = self.events(str(message.pk))
            return events if events and events[-1].type in ("final", "error") else None

        return until(ended, seconds)


def text_of(message: Message) -> str:
    message.refresh_from_db()
    return message.text


# --- The script -------------------------------------------------------------------------------


def test_a_scripted_reply_reaches_the_stream_in_pieces(candidate, settings):
    settings.CHAT_SCRIPT_SECONDS = 0.6
    session = make_session(candidate)
    give_task(session)
    with served(application) as url:
        interview = Interview(url, session, token_of(candidate))
        with interview.stream() as events:
            sent = interview.send("Hello, please explain the task")
            got = events.reply()
        interview.api.close()
    answering.stop()
    text = check_reply(got)
    assert got[0].data == {"reply_id": sent["reply_id"]}
    assert len(got) > 5
    assert got[-1].at - got[0].at < 3
    assert {key: got[-1].data[key] for key in ("source", "model")} == {
        "source": "scripted", "model": speaking.SCRIPT_MODEL,
    }  # fmt: skip
    reply = Message.objects.get(pk=sent["reply_id"])
    assert (reply.text, reply.status, reply.source) == (text, "complete", "scripted")
    assert reply.published_seq == len(got) - 2
    assert "Pair sums" in text


def test_a_second_message_is_answered_after_the_first(session):
    watch = Watch(session)
    with engine(script_seconds=0.5):
        replies = [chat.send(session=session, text=f"hello {number}")[1] for number in range(4)]
        for reply in replies:
            check_reply(watch.reply(reply))
    order = [event.data["reply_id"] for event in watch.events() if event.type != "delta"]
    assert order == [str(reply.pk) for reply in replies for _ in range(2)]


def test_hints_are_given_one_after_the_other_and_counted(session):
    assignment = give_task(session)
    watch = Watch(session)
    with engine():
        for hint in ("First hint.", "Second hint.", "Third hint."):
            _message, reply = chat.send(session=session, text="a hint please")
            assert hint in check_reply(watch.reply(reply))
        _message, reply = chat.send(session=session, text="a hint please")
        assert "hint." not in check_reply(watch.reply(reply))
    assignment.refresh_from_db()
    assert assignment.hints_given == 3


def test_the_interviewer_speaks_first(session):
    watch = Watch(session)
    with engine():
        closing = chat.close_conversation(session)
        check_reply(watch.reply(closing))
    closing.refresh_from_db()
    assert (closing.status, closing.reply_to, closing.source) == ("complete", None, "scripted")


def test_what_another_process_wrote_is_found(session):
    """A reply that was posted where no engine runs is streamed by the web process's sweep."""
    reply = chat.close_conversation(session)
    watch = Watch(session)
    with engine():
        check_reply(watch.reply(reply))


# --- A model ----------------------------------------------------------------------------------


def test_a_model_s_reply_is_streamed_and_recorded(session, model):
    model.does(says("<think>\n", "hm</th", "ink>\n\n", "Think of ", "pairs."))
    watch = Watch(session)
    with engine(model):
        _message, reply = chat.send(session=session, text="hello")
        events = watch.reply(reply)
    assert check_reply(events) == "Think of pairs."
    assert (events[-1].data["source"], events[-1].data["model"]) == ("llm", "test-model")
    reply.refresh_from_db()
    assert (reply.text, reply.source, reply.model) == ("Think of pairs.", "llm", "test-model")
    call = LLMCall.objects.get()
    assert (call.outcome, call.message, call.session, call.purpose) == (
        "ok", reply, session, "chat",
    )  # fmt: skip
    assert (call.prompt_tokens, call.completion_tokens, call.model) == (11, 7, "test-model")
    assert call.prompt_version


def test_deltas_are_coalesced_and_the_first_comes_at_once(candidate, model, settings):
    session = make_session(candidate)
    model.does(says(*[f"w{number} " for number in range(150)], pause=0.01))
    with engine(model), served(application) as url:
        interview = Interview(url, session, token_of(candidate))
        with interview.stream() as events:
            events.opened()
            interview.send("hello")
            got = events.reply()
        interview.api.close()
    check_reply(got)
    deltas = [event for event in got if event.type == "delta"]
    assert deltas[0].data["text"] == "w0 "
    assert 3 < len(deltas) < 60
    log = channels.LOG._channels[channel_of(session.pk)].events
    published = [at for at, event in log if event.type == "delta"]
    assert len(published) == len(deltas)
    assert all(later - earlier >= 0.05 for earlier, later in pairwise(published))


@pytest.mark.parametrize(
    "fault",
    [fails(500), fails(401), says(), says("<think>x"), lambda answer: answer.hang_up()],
)
def test_before_the_first_delta_the_script_takes_over(session, model, fault):
    model.does(fault)
    watch = Watch(session)
    with engine(model):
        _message, reply = chat.send(session=session, text="hello")
        events = watch.reply(reply)
    check_reply(events)
    assert events[-1].data["source"] == "scripted"
    assert not LLMCall.objects.filter(outcome="ok").exists()
    assert LLMCall.objects.exists()


def half(*pieces: str):
    def behave(answer: Answer) -> None:
        answer.begin()
        for piece in pieces:
            answer.send(chunk(piece))

    return behave


def test_after_the_first_delta_it_goes_on_from_exactly_there(session, model):
    model.does(half("Think of the compl"), says("Think of the compl", "exity first."))
    watch = Watch(session)
    with engine(model):
        _message, reply = chat.send(session=session, text="hello")
        events = watch.reply(reply)
    assert check_reply(events) == "Think of the complexity first."
    assert events[-1].type == "final"
    assert model.requests[1]["messages"][-2] == {
        "role": "assistant", "content": "Think of the compl",
    }  # fmt: skip
    calls = LLMCall.objects.order_by("pk").values_list("purpose", "outcome")
    assert list(calls) == [("chat", "truncated"), ("continue", "ok")]


def test_when_that_fails_too_it_ends_in_a_retryable_error(session, model):
    model.does(half("Half a "), fails(500))
    watch = Watch(session)
    with engine(model):
        message, failed = chat.send(session=session, text="hello", client_message_id="c")
        events = watch.reply(failed)
        assert check_reply(events) == "Half a "
        assert events[-1].type == "error"
        assert events[-1].data["retryable"] is True
        assert events[-1].data["detail"]
        failed.refresh_from_db()
        assert (failed.status, failed.retryable, failed.text) == ("error", True, "Half a ")
        model.does(says("Whole."))
        again, reply = chat.send(session=session, text="hello", client_message_id="c")
        assert again == message
        assert check_reply(watch.reply(reply)) == "Whole."


def test_a_model_that_fails_again_and_again_is_left_alone(session, model):
    model.does(fails(401))
    watch = Watch(session)
    with engine(model) as made:
        for _ in range(made.speaker.breaker.failures + 3):
            _message, reply = chat.send(session=session, text="hello")
            check_reply(watch.reply(reply))
        assert len(model.requests) == made.speaker.breaker.failures


def test_a_hint_of_the_model_counts_like_one_of_the_script(session, model):
    give_task(session)
    model.does(says("Think of what is missing."))
    watch = Watch(session)
    with engine(model):
        _message, reply = chat.send(session=session, text="a hint please")
        check_reply(watch.reply(reply))
    assert "First hint." in model.requests[0]["messages"][0]["content"]
    assert Assignment.objects.get().hints_given == 1


PIECES = st.lists(
    st.text(alphabet=st.sampled_from("ab ж\n<>/think\x00😀"), min_size=1, max_size=12), max_size=12
)


def test_every_reply_has_one_end_and_its_text_is_its_deltas(session, model):
    """For any stream, cut or faulty anywhere, and any continuation of it."""
    with engine(model) as made:
        made.speaker.breaker.failures = 10**9

        @hypothesis_settings(
            max_examples=25, deadline=None, suppress_health_check=list(HealthCheck)
        )
        @given(PIECES, st.sampled_from(["stop", "length", None]), PIECES, st.booleans())
        def law(first, finish, second, well):
            model.does(says(*first, finish=finish), says(*second, finish="stop" if well else None))
            watch = Watch(session)
            _message, reply = chat.send(session=session, text="hello")
            events = watch.reply(reply)
            text = check_reply(events)
            assert [e.type for e in events].count("final") + [e.type for e in events].count(
                "error"
            ) == 1
            assert text_of(reply) == text
            assert "\x00" not in text
            assert reply.status == ("complete" if events[-1].type == "final" else "error")

        law()


# --- Crashes and leases -----------------------------------------------------------------------


def crash(made: answering.Engine) -> None:
    """End an engine as a killed process would: nothing is released, nothing ended."""
    answering._engine = None
    made.stop(release=False)


def begun(watch: Watch, reply: Message, deltas: int = 2) -> list[Event]:
    def enough():
        events = watch.events(str(reply.pk))
        return events if len(events) > deltas else None

    return until(enough)


@pytest.mark.parametrize("by_model", [False, True])
def test_a_restarted_process_goes_on_from_what_was_published(session, model, monkeypatch, by_model):
    give_task(session)
    watch = Watch(session)
    if by_model:
        model.does(
            lambda answer: (half("One ", "two ")(answer), until(lambda: len(model.requests) > 1))
        )
    first = answering.Engine(
        endpoint=endpoint_of(model) if by_model else None, script_seconds=1000.0
    )
    answering._engine = first
    first.start()
    _message, reply = chat.send(session=session, text="explain the task")
    seen = begun(watch, reply, 2 if not by_model else 1)
    crash(first)
    seen = watch.events(str(reply.pk))
    reply.refresh_from_db()
    assert reply.status == "pending"
    shown = "".join(event.data["text"] for event in seen if event.type == "delta")
    assert reply.text == shown

    monkeypatch.setattr(channels, "LOG", channels.RingLog())  # memory is gone with the process
    watch = Watch(session)
    model.does(says("three."))
    with engine(model if by_model else None):
        events = watch.reply(reply)
    text = check_reply(events)
    assert text.startswith(shown)
    assert len(text) > len(shown)
    before = [event.data for event in seen if event.type == "delta"]
    assert [event.data for event in events if event.type == "delta"][: len(before)] == before
    assert text_of(reply) == text
    assert events[-1].type == "final"


def test_a_broken_reply_of_a_model_that_is_gone_ends_in_an_error(session):
    _message, reply = chat.send(session=session, text="x")
    answering.stop()
    Message.objects.filter(pk=reply.pk).update(
        status="pending", text="Half", source="llm", meta={"cuts": [4]}, lease_until=None
    )
    watch = Watch(session)
    with engine():
        events = watch.reply(reply)
    assert check_reply(events) == "Half"
    assert events[-1].type == "error"


def test_a_lease_is_respected_until_it_has_run_out(session, monkeypatch):
    monkeypatch.setattr(answering, "bus_name", lambda: "redis")
    with engine():
        message, reply = chat.send(session=session, text="first")
        watch = Watch(session)
        until(lambda: text_of(reply) and reply.status == "complete")
        held = Message.objects.create(
            session=session,
            seq=10,
            role="interviewer",
            status="pending",
            reply_to=message,
            lease_owner="another",
            lease_until=timezone.now() + timedelta(seconds=0.8),
        )
        _message, later = chat.send(session=session, text="second")
        later_events = watch.reply(later)
    order = [event.data["reply_id"] for event in watch.events() if event.type == "final"]
    assert order[-2:] == [str(held.pk), str(later.pk)]
    check_reply(later_events)
    held.refresh_from_db()
    assert held.completed_at >= held.created_at + timedelta(seconds=0.7)


def test_two_processes_share_the_replies_and_none_is_streamed_twice(candidate, monkeypatch):
    monkeypatch.setattr(answering, "bus_name", lambda: "redis")
    sessions = [make_session(candidate) for _ in range(3)]
    watches = [Watch(session) for session in sessions]
    engines = [answering.Engine(endpoint=None, script_seconds=0.1, sweep_s=0.05) for _ in range(2)]
    for made in engines:
        made.start()
    answering._engine = engines[0]
    try:
        replies = [chat.send(session=s, text="hi")[1] for _ in range(3) for s in sessions]
        for session in sessions:
            engines[1].wake(session.pk)
        for index, reply in enumerate(replies):
            check_reply(watches[index % 3].reply(reply))
    finally:
        answering._engine = None
        for made in engines:
            made.stop()
    for watch in watches:
        kinds = [event.type for event in watch.events()]
        assert (kinds.count("typing"), kinds.count("final")) == (3, 3)


def test_a_reply_that_was_taken_over_is_dropped(session):
    with engine(script_seconds=1000.0) as made:
        _message, reply = chat.send(session=session, text="hello")
        watch = Watch(session)
        begun(watch, reply)
        Message.objects.filter(pk=reply.pk).update(lease_owner="another")
        until(lambda: not made.outbox._lives)
        reply.refresh_from_db()
        assert (reply.status, reply.lease_owner) == ("pending", "another")


def test_the_lease_is_renewed_while_the_model_is_silent(session, model, monkeypatch):
    model.does(
        lambda answer: (
            answer.begin(),
            until(lambda: renewed()),
            answer.send(chunk("Here."), chunk(finish="stop"), "[DONE]"),
        )
    )
    first: list = []

    def renewed():
        lease = Message.objects.filter(status="pending").values_list("lease_until", flat=True).get()
        first.append(lease)
        return lease and first[0] and lease > first[0] + timedelta(seconds=0.3)

    watch = Watch(session)
    with engine(model, lease_s=1.0):
        _message, reply = chat.send(session=session, text="hello")
        assert check_reply(watch.reply(reply)) == "Here."
        assert Message.objects.get(pk=reply.pk).meta["claims"] == 1


def test_a_stopped_engine_gives_its_leases_back(session):
    with engine(script_seconds=1000.0):
        _message, reply = chat.send(session=session, text="hello")
        watch = Watch(session)
        begun(watch, reply)
    reply.refresh_from_db()
    assert (reply.status, reply.lease_until) == ("pending", None)


def test_a_reply_that_breaks_every_time_ends_in_an_error(session):
    _message, reply = chat.send(session=session, text="x")
    answering.stop()
    Message.objects.filter(pk=reply.pk).update(
        status="pending", text="", meta={"claims": speaking.MAX_CLAIMS}, lease_until=None
    )
    watch = Watch(session)
    with engine():
        assert watch.reply(reply)[-1].type == "error"
