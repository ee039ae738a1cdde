"""Requests that need no more of Django than their view: answered without its middleware.

Most of the middleware is synchronous and costs an asynchronous view a change of threads each. A
view that is registered here, cheap and free of sessions, is called at once: for a plain GET, or for
a POST whose body has arrived. What only adds headers is added all the same. What such a view does
not answer, and nearly every error, is left to the ordinary way with the same body, so that there is
one place that makes the errors.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, lru_cache
from io import BytesIO
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.middleware.security import SecurityMiddleware

from neurogame.requestlog import Application, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

View = Callable[[HttpRequest], Awaitable[HttpResponse]]
Post = Callable[[Mapping[bytes, bytes], bytes], Awaitable[HttpResponse | None]]
_views: dict[str, View] = {}
_posts: dict[str, Post] = {}
# What of a request decides whether it may be answered, and the headers that every answer gets.
_DECISIVE = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port")


def register(path: str, view: View) -> None:
    """Answer `GET path` by an asynchronous view that asks for no session, user or language."""
    _views[path] = view


def register_post(path: str, post: Post) -> None:
    """Answer `POST path` by a function of the headers, by lower-case names, and the body.

    It asks for no session, user or language, and answers None for what it leaves to Django.
    """
    _posts[path] = post


@cache
def _headers() -> tuple[SecurityMiddleware, tuple[Callable[[Any, Any], Any], ...]]:
    """What may refuse a request, and what adds headers to its answer, inner ones first."""

    def nothing(_request: Any) -> HttpResponse:
        return HttpResponse()

    security = SecurityMiddleware(nothing)
    return security, (
        XFrameOptionsMiddleware(nothing).process_response,
        CorsMiddleware(nothing).add_response_headers,
        ContentSecurityPolicyMiddleware(nothing).process_response,
        security.process_response,
    )


async def _answer(view: View, scope: Scope) -> HttpResponse | None:
    """The answer, if it is a 200."""
    request = ASGIRequest(scope, BytesIO())
    request.get_host()  # raises for a host that is not allowed
    security, steps = _headers()
    if security.process_request(request) is not None:
        return None
    response = await view(request)
    if response.status_code != 200:
        return None
    for step in steps:
        step(request, response)
    return response


@lru_cache(256)
def _common(
    scheme: str, server: tuple[str, int | None] | None, decisive: tuple[tuple[bytes, bytes], ...]
) -> list[tuple[bytes, bytes]] | None:
    """The headers that every answer to such a request gets; None when Django must decide."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "scheme": scheme,
        "server": server,
        "headers": list(decisive),
    }
    request = ASGIRequest(scope, BytesIO())
    try:
        request.get_host()
    except DisallowedHost:
        return None
    security, steps = _headers()
    if security.process_request(request) is not None:
        return None
    response = HttpResponse()
    del response["Content-Type"]
    for step in steps:
        step(request, response)
    return _encoded(response)


def _encoded(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()
    ]


class _Replayed:
    """What was received already, and then what comes."""

    def __init__(self, messages: list[Message], receive: Receive) -> None:
        self._messages = messages
        self._receive = receive

    async def __call__(self) -> Message:
        return self._messages.pop(0) if self._messages else await self._receive()


class Direct:
    """ASGI middleware around Django; see the module."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            post = _posts.get(scope["path"])
            if post is not None:
                await self._post(post, scope, receive, send)
                return
        await self._get(scope, receive, send)

    async def _post(self, post: Post, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        messages = [await receive()]
        while messages[-1]["type"] == "http.request" and messages[-1].get("more_body"):
            messages.append(await receive())
        response = common = None
        whole = messages[-1]["type"] == "http.request"
        # Another origin is for CORS; a header that came twice is for whoever reads them all.
        if whole and b"origin" not in headers and len(headers) == len(scope["headers"]):
            server = tuple(scope["server"]) if scope.get("server") else None
            decisive = tuple((name, headers[name]) for name in _DECISIVE if name in headers)
            common = _common(scope.get("scheme", "http"), server, decisive)
            if common is not None:
                response = await post(headers, b"".join(m.get("body", b"") for m in messages))
        if common is None or response is None:
            await self.application(scope, _Replayed(messages, receive), send)
            return
        await self._send(response, common, send)

    @staticmethod
    async def _send(response: HttpResponse, more: list[tuple[bytes, bytes]], send: Send) -> None:
        body = response.content
        headers = [*_encoded(response), *more, (b"content-length", str(len(body)).encode())]
        status = response.status_code
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _get(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = _views.get(scope.get("path", "")) if scope["type"] == "http" else None
        response = None
        if view is not None and scope["method"] == "GET":
            try:
                response = await _answer(view, scope)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                logger.debug("left to Django: %r", error)  # it fails there again, and is answered
        if response is None:
            await self.application(scope, receive, send)
            return
        await self._send(response, [], send)
