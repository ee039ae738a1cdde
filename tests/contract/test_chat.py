"""Section 6 of the contract, the chat, and the throttles of section 3, over HTTP alone."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx
import jwt
import pytest
from django.conf import settings

from tests.interviews.chat_tools import EventStream, check_reply


class Somebody:
    """A candidate who registered and started an interview."""

    def __init__(self, url: str, **terms: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        nickname = f"c{uuid.uuid4().hex[:12]}"
        account = self.post("/auth/register", nickname=nickname, password="a long pass phrase 7")
        self.token = account.json()["access"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        terms = {"track": "algorithms", "level": "junior", **terms}
        self.session_id = self.post("/interview/start", **terms).json()["session_id"]

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def send(self, message: Any, **more: Any) -> httpx.Response:
        return self.post("/chat/send", session_id=self.session_id, message=message, **more)

    def stream(self, **options: Any) -> EventStream:
        return EventStream(str(self.http.base_url), self.token, self.session_id, **options)

    def history(self) -> dict[str, dict[str, Any]]:
        messages = self.http.get(f"/interview/{self.session_id}").json()["messages"]
        return {message["message_id"]: message for message in messages}


@pytest.fixture
def url(product):
    return f"http://127.0.0.1:{product.port}"


@pytest.fixture
def meet(url):
    made: list[Somebody] = []

    def meet(**terms: str) -> Somebody:
        made.append(Somebody(url, **terms))
        return made[-1]

    yield meet
    for one in made:
        one.http.close()


@pytest.fixture
def somebody(meet):
    return meet()


def test_two_messages_are_answered_in_order_while_listeners_come_and_go(somebody):
    with somebody.stream() as first:
        sent = [
            somebody.send(text, client_message_id=text).json() for text in ("hello", "and a hint?")
        ]
        assert [set(answer) for answer in sent] == [{"message_id", "reply_id"}] * 2
        again = somebody.send("hello", client_message_id="hello")
        assert (again.status_code, again.json()) == (202, sent[0])

        with somebody.stream() as leaving:
            seen = [leaving.next() for _ in range(4)]
        with somebody.stream(last_id=seen[-1].id) as back, somebody.stream() as joining:
            whole = [first.reply(), first.reply()]
            rest = [*back.reply(), *back.reply()]
            joined = joining.reply()

    for events, answer in zip(whole, sent, strict=True):
        text = check_reply(events)
        assert events[0].data == {"reply_id": answer["reply_id"]}
        assert set(events[-1].data) == {"reply_id", "text", "source", "model"}
        kept = somebody.history()[answer["reply_id"]]
        assert (kept["text"], kept["status"], kept["reply_to"], kept["source"]) == (
            text,
            "complete",
            answer["message_id"],
            "scripted",
        )
        deltas = [event.at for event in events if event.type == "delta"]
        assert all(late - early >= 1 for early, late in zip(deltas, deltas[21:], strict=False))
    everything = [(event.id, event.type, event.data) for event in [*whole[0], *whole[1]]]
    ids = [int(event_id.rpartition(":")[2]) for event_id, _type, _data in everything]
    assert ids == sorted(set(ids))
    resumed = [(event.id, event.type, event.data) for event in [*seen, *rest]]
    assert resumed == everything
    check_reply(joined)

    with somebody.stream().opened() as late:
        somebody.post("/interview/finish", session_id=somebody.session_id)
        closing = late.reply()
        text = check_reply(closing)
    assert [m["text"] for m in somebody.history().values()][-1] == text
    refused = somebody.send("one more")
    assert (refused.status_code, refused.json()["state"]) == (409, "finished")
    replay = somebody.send("hello", client_message_id="hello")
    assert (replay.status_code, replay.json()) == (202, sent[0])


def test_hints_come_in_order_and_run_out(meet):
    asking = meet(locale="ru")
    asking.http.get("/tasks/next", params={"session_id": asking.session_id})
    with asking.stream() as events:
        for number in (1, 2, 3):
            asking.send("Дайте, пожалуйста, подсказку")
            assert f"одсказка {number} из 3" in check_reply(events.reply())
        asking.send("ещё подсказку")
        assert "одсказка" not in check_reply(events.reply())


def test_the_stream_is_denied_before_any_event(somebody, meet, url):
    stranger = meet()
    claims = jwt.decode(somebody.token, options={"verify_signature": False})
    expired = jwt.encode(
        {**claims, "exp": int(time.time()) - 60}, settings.SECRET_KEY, algorithm="HS256"
    )
    ask = {"session_id": somebody.session_id}
    for token, params, status, code in (
        (stranger.token, ask, 404, "not_found"),
        (somebody.token, {"session_id": "nonsense"}, 404, "not_found"),
        (somebody.token, {}, 400, "invalid"),
        (expired, ask, 401, "token_not_valid"),
        ("", ask, 401, "not_authenticated"),
    ):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.get(f"{url}/chat/stream", params=params, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
    refused = stranger.post("/chat/send", session_id=somebody.session_id, message="x")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_a_message_has_up_to_8000_characters(somebody):
    assert somebody.send("я" * 8000).status_code == 202
    for message in ("я" * 8001, "", " \n", None, ["x"], {"a": 1}):
        answer = somebody.send(message)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["message"])


def test_the_31st_message_of_a_minute_is_throttled(somebody):
    for _ in range(30):
        assert somebody.send("x", client_message_id="same").status_code == 202
    somebody.http.headers["X-Forwarded-For"] = "10.0.0.1"
    refused = somebody.send("x", client_message_id="same")
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert len(somebody.history()) == 3


def test_the_61st_run_or_check_of_a_minute_is_throttled(somebody):
    session = {"session_id": somebody.session_id}
    task = somebody.http.get("/tasks/next", params=session).json()["task"]
    program = {**session, "task_id": task["id"], "language": "python", "code": "def f(:"}
    assert somebody.post("/tasks/run", **program).json()["verdict"] == "CE"
    first = somebody.post("/tasks/check", **program, submission_id="same")
    for _ in range(58):
        assert somebody.post("/tasks/check", **program, submission_id="same").json() == first.json()
    refused = somebody.post("/tasks/run", **program)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert int(refused.headers["Retry-After"]) >= 1
