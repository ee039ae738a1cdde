"""Public reads that need no more of Django than their view: answered without its middleware.

Most of the middleware is synchronous and costs an asynchronous view a change of threads each. A
view that is registered here, public, cheap and free of sessions, is called at once for a plain GET;
what only adds headers runs all the same. Whatever is not a 200, an error included, is left to the
ordinary way, so that there is one shape of errors and one place that makes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from io import BytesIO
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.middleware.security import SecurityMiddleware

from neurogame.requestlog import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)

View = Callable[[HttpRequest], Awaitable[HttpResponse]]
_views: dict[str, View] = {}


def register(path: str, view: View) -> None:
    """Answer `GET path` by an asynchronous view that asks for no session, user or language."""
    _views[path] = view


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


class Direct:
    """ASGI middleware around Django; see the module."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        body = response.content
        headers = [
            (name.lower().encode("ascii"), value.encode("latin-1"))
            for name, value in response.items()
        ]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
