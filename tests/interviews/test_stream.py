from __future__ import annotations

import threading
import time

import httpx
import pytest

from interviews import answering, stream
from interviews.channels import channel_of, publish
from neurogame.asgi import application
from tests.interviews.chat_tools import (
    EventStream,
    Interview,
    check_reply,
    make_session,
    served,
    token_of,
    until,
)


@pytest.fixture
def url(transactional_db, settings):
    settings.CHAT_SCRIPT_SECONDS = 0
    with served(application) as address:
        yield address
    answering.stop()


@pytest.fixture
def interview(url, candidate):
    made = Interview(url, make_session(candidate), token_of(candidate))
    yield made
    made.api.close()


def say(session, reply_id, *texts, typing=True, final=True):
    channel = channel_of(session.pk)
    if typing:
        publish(channel, "typing", {"reply_id": reply_id})
    for seq, text in enumerate(texts):
        publish(channel, "delta", {"reply_id": reply_id, "seq": seq, "text": text})
    if final:
        publish(channel, "final", {"reply_id": reply_id, "text": "".join(texts)})


def test_a_stream_carries_a_reply(interview):
    with interview.stream() as events:
        events.opened()
        say(interview.session, "r", "Hel", "lo\nthere", "!")
        assert check_reply(events.reply()) == "Hello\nthere!"
        assert events.response.headers["content-type"].startswith("text/event-stream")
        assert len({event.id for event in events.seen if event.id}) == 5


def test_a_burst_over_the_listeners_queue_loses_nothing(interview):
    with interview.stream() as events:
        events.opened()
        say(interview.session, "r", *[f"{number} " for number in range(600)])
        got = events.reply()
        assert len([event for event in got if event.type == "delta"]) == 600
        check_reply(got)


def test_a_fresh_joiner_loses_nothing_published_while_it_connects(interview):
    for round_number in range(5):
        writing = threading.Thread(
            target=say, args=(interview.session, f"r{round_number}", *["x"] * 300)
        )
        writing.start()
        with interview.stream() as events:
            writing.join()
            say(interview.session, "after", "y")
            replies = [events.reply()]
            while replies[-1][0].data["reply_id"] != "after":
                replies.append(events.reply())
        for reply in replies:
            check_reply(reply)


def test_a_joiner_during_a_reply_gets_it_from_its_typing(interview):
    say(interview.session, "old", "done")
    say(interview.session, "new", "a", "b", final=False)
    with interview.stream() as events:
        got = [events.next() for _ in range(3)]
        assert [event.type for event in got] == ["typing", "delta", "delta"]
        say(interview.session, "new", "a", "b", typing=False)


def test_a_late_joiner_gets_nothing_of_a_finished_reply(interview):
    say(interview.session, "old", "done")
    with interview.stream() as events:
        events.opened()
        say(interview.session, "next", "x")
        assert events.next().data == {"reply_id": "next"}


def test_reconnecting_while_events_flow_misses_and_doubles_nothing(interview):
    texts = [f"{number} " for number in range(1500)]

    def write() -> None:
        say(interview.session, "r", final=False)
        for seq, text in enumerate(texts):
            publish(
                channel_of(interview.session.pk),
                "delta",
                {"reply_id": "r", "seq": seq, "text": text},
            )
            if seq % 10 == 0:
                time.sleep(0.005)
        say(interview.session, "r", "".join(texts), typing=False)

    got, last_id = [], ""
    with interview.stream() as events:
        events.opened()
        writing = threading.Thread(target=write)
        writing.start()
        for _ in range(7):
            got.append(events.next())
        last_id = got[-1].id
    while got[-1].type != "final":
        with interview.stream(last_id=last_id) as events:
            for _ in range(100):
                got.append(events.next())
                if got[-1].type == "final":
                    break
            last_id = got[-1].id
    writing.join()
    assert [event.data["seq"] for event in got if event.type == "delta"][:1500] == list(range(1500))
    assert len(got) == 1 + 1500 + 1 + 1


@pytest.mark.parametrize(
    "last_id",
    [
        "{channel}:17",
        "{channel}:1700000000000000000042",
        "{channel}:x",
        "x",
        "a:b:c",
        ",,,",
        "error",
        "{channel}:-3",
        "other:5",
        "{channel}:" + "9" * 900,
        "\u00e9:1",
    ],
)
def test_an_id_that_is_not_known_is_answered_by_a_reset(interview, last_id):
    say(interview.session, "r", "a", final=False)
    channel = channel_of(interview.session.pk)
    with interview.stream(last_id="", lastEventId=last_id.format(channel=channel)) as events:
        got = [events.next() for _ in range(3)]
        assert [event.type for event in got] == ["stream-reset", "typing", "delta"]
        publish(channel, "final", {"reply_id": "r", "text": "a"})
        check_reply([*got[1:], events.next()])


@pytest.mark.parametrize(
    "query",
    [
        "es-meta=x",
        "link=next",
        "recover=true",
        "lastEventId=",
        "channel=session-other",
        "format=json&limit=-1",
    ],
)
def test_odd_queries_are_streams_like_any_other(interview, query):
    name, _equals, value = query.partition("=")
    with interview.stream(**{name: value}) as events:
        assert events.response.status_code == 200
        events.opened()
        say(interview.session, "r", "x")
        check_reply(events.reply())


def problem(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    return body


def test_denials_are_problems_before_any_event(interview, stranger):
    def get(token: str = "", **params: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.get(f"{interview.url}/chat/stream", params=params, headers=headers)

    mine = str(interview.session.pk)
    problem(get(token_of(stranger), session_id=mine), 404, "not_found")
    for nonsense in ("x", "\x00", "0" * 500, "é"):
        problem(get(interview.token, session_id=nonsense), 404, "not_found")
    assert "session_id" in problem(get(interview.token), 400, "invalid")["errors"]
    problem(get(session_id=mine), 401, "not_authenticated")
    problem(get("nonsense", session_id=mine), 401, "token_not_valid")
    answer = interview.api.post("/chat/stream", params={"session_id": mine})
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


def test_the_session_cookie_opens_the_stream(interview, client, candidate):
    client.force_login(candidate)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    with httpx.stream(
        "GET",
        f"{interview.url}/chat/stream",
        params={"session_id": str(interview.session.pk)},
        headers={"Cookie": cookie},
    ) as answer:
        assert answer.status_code == 200


def test_keep_alives_come_in_time(interview, monkeypatch):
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.2)
    assert stream.KEEP_ALIVE_S < 20
    with interview.stream() as events:
        until(lambda: sum("keep-alive" in line for line in events.raw) >= 3)
        say(interview.session, "r", "x")
        check_reply(events.reply())


def test_an_idle_stream_holds_no_thread_and_no_connection(interview):
    """Of 25 open streams no thread is left that a request would otherwise keep."""
    interview.api.get("/health")
    opened: list[EventStream] = []
    with interview.stream() as first:  # the reader and the engine's threads exist from here on
        first.opened()
        until(lambda: thread_count("chat-stream") == 1)
        until(lambda: settled())
        before = server_threads()
        try:
            opened += [interview.stream().opened() for _ in range(25)]
            until(lambda: server_threads() <= before)
            assert thread_count("chat-stream") == 1
            say(interview.session, "r", "x")
            for events in opened:
                check_reply(events.reply())
            until(lambda: server_threads() <= before)
        finally:
            for events in opened:
                events.close()


def thread_count(prefix: str) -> int:
    return sum(thread.name.startswith(prefix) for thread in threading.enumerate())


def server_threads() -> int:
    """Threads but for the readers of the clients in this test."""
    return sum("_read" not in thread.name for thread in threading.enumerate())


def settled() -> bool:
    first = server_threads()
    time.sleep(0.3)
    return server_threads() == first


def test_a_client_that_goes_away_is_forgotten(interview):
    from django_eventstream.views import get_listener_manager

    channel = channel_of(interview.session.pk)
    listeners = get_listener_manager().listeners_by_channel
    with interview.stream() as events:
        events.opened()
        until(lambda: len(listeners.get(channel, ())) == 1)
    until(lambda: channel not in listeners)
