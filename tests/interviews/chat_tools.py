"""What the chat's tests share: a served application, a stream reader, an interview."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import uvicorn
from django.utils import timezone
from rest_framework_simplejwt.tokens import RefreshToken

from interviews.models import InterviewSession
from tasks.models import Assignment, CodingTask, TaskTest, TaskTranslation

WAIT_S = 15.0


@contextmanager
def served(application: Any) -> Iterator[str]:
    """The address of an ASGI application served in a thread of this process."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        listening.close()


def until(condition: Any, seconds: float = WAIT_S) -> Any:
    """Wait for a condition of the outside world; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.01)
    return value


@dataclass
class Event:
    type: str
    id: str
    data: Any
    at: float


class EventStream:
    """A client of the stream, reading in a thread."""

    def __init__(self, url: str, token: str, session_id: Any, *, last_id: str = "", **params: str):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.seen: list[Event] = []
        self.raw: list[str] = []
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._client = httpx.Client(timeout=60)
        request = self._client.build_request(
            "GET",
            f"{url}/chat/stream",
            params={"session_id": str(session_id), **params},
            headers=headers,
        )
        self.response = self._client.send(request, stream=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        kind, event_id, data = "message", "", []
        try:
            for line in self.response.iter_lines():
                self.raw.append(line)
                name, _colon, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "event":
                    kind = value
                elif name == "id":
                    event_id = value
                elif name == "data":
                    data.append(value)
                elif not line and data:
                    text = "\n".join(data)
                    parsed = json.loads(text) if text else None
                    self._queue.put(Event(kind, event_id, parsed, time.monotonic()))
                    kind, data = "message", []
        except Exception:
            self.raw.append("(closed)")
        self._queue.put(None)

    def next(self, seconds: float = WAIT_S) -> Event:
        """The next event of the chat; what belongs to the connection is left out."""
        while True:
            event = self._queue.get(timeout=seconds)
            if event is None:
                raise EOFError
            self.seen.append(event)
            if event.type not in ("stream-open", "keep-alive"):
                return event

    def reply(self, seconds: float = WAIT_S) -> list[Event]:
        """Events up to and with the next `final` or `error`."""
        events = [self.next(seconds)]
        while events[-1].type not in ("final", "error"):
            events.append(self.next(seconds))
        return events

    def opened(self) -> EventStream:
        until(lambda: any("stream-open" in line for line in self.raw))
        return self

    def close(self) -> None:
        connection = self.response.extensions["network_stream"].get_extra_info("socket")
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self.response.close()
        self._client.close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def check_reply(events: list[Event]) -> str:
    """The laws of one whole reply; its text."""
    reply_id = events[0].data["reply_id"]
    assert events[0].type == "typing"
    assert {event.data["reply_id"] for event in events} == {reply_id}
    deltas = [event for event in events if event.type == "delta"]
    assert [event.type for event in events[1:-1]] == ["delta"] * len(deltas)
    assert [event.data["seq"] for event in deltas] == list(range(len(deltas)))
    text = "".join(event.data["text"] for event in deltas)
    if events[-1].type == "final":
        assert events[-1].data["text"] == text
    return text


def token_of(user: Any) -> str:
    return str(RefreshToken.for_user(user).access_token)


@dataclass
class Interview:
    """A running interview and its client."""

    url: str
    session: InterviewSession
    token: str
    api: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.api = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30
        )

    def send(self, message: str, **more: Any) -> dict[str, Any]:
        answer = self.api.post(
            "/chat/send", json={"session_id": str(self.session.pk), "message": message, **more}
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    def stream(self, **options: Any) -> EventStream:
        return EventStream(self.url, self.token, self.session.pk, **options)


def make_session(user: Any, **fields: Any) -> InterviewSession:
    now = timezone.now()
    return InterviewSession.objects.create(
        **{
            "candidate": user,
            "track": "algorithms",
            "level": "junior",
            "started_at": now,
            "ends_at": now + timedelta(hours=1),
            **fields,
        }
    )


def give_task(session: InterviewSession, **fields: Any) -> Assignment:
    """An open task with three hints, two visible tests and a hidden one."""
    task = CodingTask.objects.create(
        slug=f"sum-{CodingTask.objects.count()}",
        track=session.track,
        kind="stdio",
        difficulty=0.0,
        languages=["python", "javascript"],
    )
    TaskTranslation.objects.create(
        task=task,
        locale="en",
        title="Pair sums",
        statement="Count the pairs whose sum is k.",
        hints=["First hint.", "Second hint.", "Third hint."],
    )
    TaskTranslation.objects.create(
        task=task,
        locale="ru",
        title="Суммы пар",
        statement="Посчитайте пары с суммой k.",
        hints=["Первая.", "Вторая.", "Третья."],
    )
    rows = [
        ("sample-1", True, "3 4\n1 2 3\n", "1\n"),
        ("sample-2", True, "1 1\n1\n", "0\n"),
        ("secret-1", False, "7 7\nHIDDENINPUT\n", "HIDDENEXPECTED\n"),
    ]
    for order, (name, visible, stdin, expected) in enumerate(rows):
        TaskTest.objects.create(
            task=task, order=order, name=name, visible=visible, stdin=stdin, expected=expected
        )
    return Assignment.objects.create(
        session=session,
        task=task,
        order=session.assignments.count() + 1,
        total_tests=3,
        state="awaiting_solution",
        **{"deadline": timezone.now() + timedelta(minutes=15), **fields},
    )
