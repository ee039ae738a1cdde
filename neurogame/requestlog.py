"""The request log: an id and one structured line for every request.

`RequestLog` stands around the ASGI application. It gives each request an id (answered as
`X-Request-ID`, found in every log record and in every problem), answers what the application
itself could not, and writes one JSON line to the logger `neurogame.request` when the answer has
ended; for a stream that is when the stream ends. It is the only access log.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any

from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

from neurogame.language import gettext_noop, said
from neurogame.net import believed
from neurogame.redaction import redact_target

SERVER_FAILED = gettext_noop("The server failed; the request id finds it in the log.")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

logger = logging.getLogger("neurogame.request")
error_logger = logging.getLogger("neurogame.error")

CLIENT_CLOSED = 499
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}\Z")


class ClientGone(OSError):
    """The server raises this in `send` when nobody is there to read the answer any more."""


@dataclass(slots=True)
class RequestState:
    """What is known of the request that is being served; shared by all tasks that serve it."""

    request_id: str
    user_id: str | None = None


_current: ContextVar[RequestState | None] = ContextVar("neurogame_request", default=None)


def new_request_id() -> str:
    return uuid.uuid4().hex


def current_request_id() -> str:
    """The id of the request being served; empty outside one (a command, a job)."""
    state = _current.get()
    return state.request_id if state else ""


def set_request_user(user_id: object) -> None:
    """Name the user in the log line of the request being served; None: nobody."""
    state = _current.get()
    if state is not None:
        state.user_id = None if user_id is None else str(user_id)


def phrase(status: int) -> str:
    """The reason phrase of a status (RFC 9110, also where Python still has an older one)."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(
        status, HTTPStatus(status).phrase
    )


def problem_bytes(*, status: int, code: str, detail: str, request_id: str) -> bytes:
    """A problem answer of the contract's shape for places below Django."""
    body = {
        "ok": False,
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
    return json.dumps(body).encode()


def log_request(
    *,
    request_id: str,
    method: str,
    target: str,
    status: int,
    seconds: float,
    size: int,
    user_id: str | None = None,
    client: str | None = None,
    **more: Any,
) -> None:
    """Write the line of one request.

    `target` is the path with its query, redacted already; `seconds` from the request's arrival
    to the end of its answer; `size` is the bytes of the answer's body.
    """
    line = {
        "request_id": request_id,
        "method": method,
        "path": target,
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
        "user": user_id,
        "bytes": size,
        "client": client,
        **more,
    }
    level = logging.ERROR if status >= 500 else logging.INFO
    logger.log(level, "%s %s %s", method, target, status, extra={"request": line})


def _header(scope: Scope, wanted: bytes) -> str:
    values = [value for name, value in scope.get("headers", ()) if name == wanted]
    return b",".join(values).decode("latin-1")


class RequestLog:
    """ASGI middleware; see the module.

    Behind `proxies` trusted proxies (default: the setting TRUSTED_PROXIES) a sane X-Request-ID
    of theirs is kept, and the client's address is the one that they name.
    """

    def __init__(self, application: Application, *, proxies: int | None = None) -> None:
        if proxies is None:
            from django.conf import settings

            proxies = settings.TRUSTED_PROXIES
        self.application = application
        self.proxies = proxies

    def request_id(self, scope: Scope) -> str:
        given = _header(scope, b"x-request-id") if self.proxies else ""
        return given if _SANE_ID.match(given) else new_request_id()

    def client(self, scope: Scope) -> str | None:
        peer = (scope.get("client") or [None])[0]
        if not peer or not self.proxies:
            return peer
        return believed(peer, _header(scope, b"x-forwarded-for"), self.proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        state = RequestState(self.request_id(scope))
        token = _current.set(state)
        started = time.perf_counter()
        status, size, ended = 0, 0, False

        async def send_counting(message: Message) -> None:
            nonlocal status, size, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [
                    pair
                    for pair in message.get("headers", ())
                    if pair[0].lower() != b"x-request-id"
                ]
                headers.append((b"X-Request-ID", state.request_id.encode()))
                message = {**message, "headers": headers}
            await send(message)
            if message["type"] == "http.response.body":
                size += len(message.get("body", b""))
                ended = ended or not message.get("more_body", False)

        try:
            await self.application(scope, receive, send_counting)
        except ClientGone:
            pass  # the line below says so
        except Exception:
            error_logger.exception("unhandled exception in the application")
            if status:  # the answer has begun: only a broken connection can say that it failed
                raise
            await self._answer_failure(scope, state, send_counting)
        finally:
            log_request(
                request_id=state.request_id,
                method=scope.get("method", ""),
                target=redact_target(
                    scope.get("path", ""), scope.get("query_string", b"").decode("latin-1")
                ),
                status=status or CLIENT_CLOSED,
                seconds=time.perf_counter() - started,
                size=size,
                user_id=state.user_id,
                client=self.client(scope),
                **({} if ended else {"aborted": True}),
            )
            _current.reset(token)

    async def _answer_failure(self, scope: Scope, state: RequestState, send: Send) -> None:
        detail = said(SERVER_FAILED, dict(scope.get("headers", ())))
        body = problem_bytes(status=500, code="error", detail=detail, request_id=state.request_id)
        headers = [
            (b"Content-Type", b"application/problem+json"),
            (b"Content-Length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@sync_and_async_middleware
def request_user_middleware(get_response: Any) -> Any:
    """Django middleware: name the user whom the session or the token turned out to be.

    It looks at what the view has resolved and asks the database nothing.
    """

    def note(request: Any) -> None:
        user = request.__dict__.get("user")
        if isinstance(user, SimpleLazyObject):
            user = request.__dict__.get("_cached_user", request.__dict__.get("_acached_user"))
        if user is not None and user.is_authenticated:
            set_request_user(user.pk)

    if iscoroutinefunction(get_response):

        async def middleware_async(request: Any) -> Any:
            try:
                return await get_response(request)
            finally:
                note(request)

        return middleware_async

    def middleware(request: Any) -> Any:
        try:
            return get_response(request)
        finally:
            note(request)

    return middleware


# --- Log records ----------------------------------------------------------------------------


class RequestIdFilter(logging.Filter):
    """Gives every record `request_id`, that of the request being served or "-"."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = current_request_id() or "-"
        return True


class LineFormatter(logging.Formatter):
    """One JSON object a line; with `plain`, only the request log is JSON and the rest is text."""

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s")
        self.plain = plain

    def format(self, record: logging.LogRecord) -> str:
        request = getattr(record, "request", None)
        if isinstance(request, dict):
            return json.dumps({"time": _time(record), **request}, ensure_ascii=False, default=str)
        if self.plain:
            return super().format(record)
        line = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line, ensure_ascii=False, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def logging_config(*, debug: bool, level: str, secrets: tuple[str, ...] = ()) -> dict[str, Any]:
    """The `LOGGING` setting: one console handler behind both filters.

    `secrets` are this installation's own keys, masked wherever they appear. Django's 4xx
    warnings are left out, since every request has its line.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": "neurogame.requestlog.RequestIdFilter"},
            "secrets": {"()": "neurogame.redaction.RedactingFilter", "known": tuple(secrets)},
        },
        "formatters": {
            "line": {"()": "neurogame.requestlog.LineFormatter", "plain": debug},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["request_id", "secrets"],
            },
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.request": {"level": "ERROR"},
            "django.security.csrf": {"level": "ERROR"},
            "django.tasks": {"level": "WARNING"},  # a failed job is an error
            "daphne": {"level": "WARNING"},
            "django_eventstream": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
        },
    }
