"""The request log around the real application."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest
from django.test import override_settings
from rest_framework_simplejwt.tokens import AccessToken

from neurogame.asgi import django_application
from neurogame.requestlog import (
    LineFormatter,
    RequestIdFilter,
    RequestLog,
    current_request_id,
    phrase,
    set_request_user,
)

FIELDS = {"request_id", "method", "path", "status", "duration_ms", "user", "bytes", "client"}


def client(application: Any = None, **options: Any) -> httpx.AsyncClient:
    application = RequestLog(application or django_application, **options)
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """A function that returns the request log's lines so far."""
    caplog.set_level(logging.INFO, logger="neurogame.request")
    return lambda: [r.request for r in caplog.records if r.name == "neurogame.request"]


@pytest.mark.django_db(transaction=True)
async def test_problem_header_and_log_carry_the_same_id(lines: Any) -> None:
    async with client() as http:
        response = await http.get("/auth/me?token=abc")
    assert response.status_code == 401
    [line] = lines()
    assert set(line) == FIELDS
    assert line["request_id"] == response.headers["X-Request-ID"] == response.json()["request_id"]
    assert (line["method"], line["path"], line["status"], line["user"]) == (
        "GET",
        "/auth/me?token=[redacted]",
        401,
        None,
    )
    assert line["bytes"] == len(response.content)


@pytest.mark.django_db(transaction=True)
async def test_user_of_a_token_is_named(candidate: Any, lines: Any) -> None:
    token = AccessToken.for_user(candidate)
    async with client() as http:
        response = await http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    assert [line["user"] for line in lines()] == [str(candidate.pk)]


@pytest.mark.django_db(transaction=True)
async def test_user_of_a_session_is_named(candidate: Any, lines: Any, async_client: Any) -> None:
    await async_client.aforce_login(candidate)
    cookies = {"sessionid": async_client.cookies["sessionid"].value}
    async with client() as http:
        http.cookies.update(cookies)
        response = await http.get("/auth/me")
    assert response.status_code == 200
    assert [line["user"] for line in lines()] == [str(candidate.pk)]


async def test_incoming_id_counts_only_from_a_proxy() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-request-id", b"its-own")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": current_request_id().encode()})

    for trusted, sent, kept in (
        (False, "proxy-12345678", False),
        (True, "proxy-12345678", True),
        (True, "short", False),
        (True, "x" * 65, False),
        (True, "new\tline-and-more", False),
    ):
        async with client(application, proxies=int(trusted)) as http:
            response = await http.get("/", headers={"X-Request-ID": sent})
        assert (response.text == sent) is kept
        assert response.headers.get_list("X-Request-ID") == [response.text]
        assert kept or len(response.text) == 32


async def test_crash_is_answered_and_logged_once(lines: Any, caplog: Any) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        set_request_user("u-1")
        raise RuntimeError("planned")

    async with client(application, proxies=0) as http:
        response = await http.post("/x")
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert set(response.json()) == {
        "ok", "type", "title", "status", "code", "detail", "request_id",
    }  # fmt: skip
    [line] = lines()
    assert (line["status"], line["user"]) == (500, "u-1")
    assert [r.levelname for r in caplog.records if r.name == "neurogame.error"] == ["ERROR"]


async def test_stream_is_logged_at_its_end(lines: Any) -> None:
    seen_during: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        seen_during.append(len(lines()))
        await send({"type": "http.response.body", "body": b"cde"})

    async with client(application, proxies=0) as http:
        await http.get("/stream")
    assert seen_during == [0]
    assert [line["bytes"] for line in lines()] == [5]


async def test_client_is_the_one_that_the_trusted_proxies_name(lines: Any) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    forged = {"X-Forwarded-For": "1.1.1.1, 2.2.2.2, 3.3.3.3"}
    for proxies in (0, 1, 2, 4):
        async with client(application, proxies=proxies) as http:
            await http.get("/", headers=forged)
    assert [line["client"] for line in lines()] == ["127.0.0.1", "3.3.3.3", "2.2.2.2", "127.0.0.1"]


async def test_id_is_gone_after_the_request() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with client(application, proxies=0) as http:
        await http.get("/")
    assert current_request_id() == ""


@override_settings(TRUSTED_PROXIES=1)
def test_proxies_of_the_settings_are_trusted_by_default() -> None:
    assert RequestLog(django_application).proxies == 1


# --- lines ----------------------------------------------------------------------------------


def a_record(message: str = "hello", **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("some.logger", logging.WARNING, "f", 1, message, (), None)
    record.__dict__.update(extra)
    RequestIdFilter().filter(record)
    return record


def test_request_is_one_json_line_even_in_development() -> None:
    text = LineFormatter(plain=True).format(a_record(request={"path": "/a\nb", "status": 200}))
    assert "\n" not in text
    line = json.loads(text)
    assert (line["path"], line["status"]) == ("/a\nb", 200)


def test_other_records_are_json_in_production_and_text_in_development() -> None:
    line = json.loads(LineFormatter().format(a_record("two\nlines")))
    assert set(line) == {"time", "level", "logger", "request_id", "message"}
    assert (line["message"], line["request_id"]) == ("two\nlines", "-")
    assert LineFormatter(plain=True).format(a_record()).endswith("some.logger [-] hello")


def test_reason_phrases_are_those_of_rfc_9110() -> None:
    assert [phrase(s) for s in (401, 413, 422)] == [
        "Unauthorized",
        "Content Too Large",
        "Unprocessable Content",
    ]
