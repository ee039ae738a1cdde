"""Public reads past the middleware answer as those through it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neurogame.asgi import application, django_application
from tests.leaderboard.play import play, store


def ask(app: Any, method: str = "GET", query: str = "", **headers: str) -> tuple[int, dict, bytes]:
    given = {"host": "testserver", **headers}
    scope = {
        "type": "http", "method": method, "path": "/v1/leaderboard", "raw_path": b"/v1/leaderboard",
        "query_string": query.encode(), "scheme": "http", "http_version": "1.1", "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1), "server": ("testserver", 80), "asgi": {"version": "3.0"},
    }  # fmt: skip
    sent: list[dict[str, Any]] = []
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        message = next(asked, None)
        return message if message else await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], names, b"".join(one.get("body", b"") for one in sent[1:])


@pytest.fixture
def board(transactional_db, settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.CORS_ALLOWED_ORIGINS = ["https://game.example"]
    store(play("a", 40) + play("b", 40, rt_ms=500))


@pytest.mark.parametrize(
    "given",
    [{}, {"query": "limit=1"}, {"origin": "https://game.example"}, {"origin": "https://evil.example"}],
)  # fmt: skip
def test_the_answer_is_that_of_the_whole_stack(board, given):
    ask(application)  # which loads the routes
    status, sent, body = ask(application, **given)
    headers = {name.lower(): value for name, value in sent.items()}
    whole_status, whole, whole_body = ask(django_application, **given)
    assert (status, body) == (whole_status, whole_body) == (200, body)
    lower = {name.lower(): value for name, value in whole.items()}
    language = lower.pop("content-language", None)
    assert language in (None, "en")
    headers.pop("x-request-id")
    both = (headers.pop("vary", ""), lower.pop("vary", ""))
    assert set(both[0].split(", ")) - {""} <= set(both[1].split(", "))
    assert headers == lower


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"query": "limit=x"}, 400),
        ({"query": "task_type=%00"}, 400),
        ({"host": "evil.example"}, 400),
        ({"method": "HEAD"}, 200),
        ({"method": "OPTIONS"}, 200),
        ({"method": "PUT"}, 405),
    ],
)
def test_whatever_is_not_a_plain_read_takes_the_ordinary_way(board, given, status):
    answer = ask(application, **given)
    assert answer[0] == status
    if status >= 400:
        assert answer[1]["Content-Type"] == "application/problem+json"
