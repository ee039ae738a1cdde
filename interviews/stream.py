"""`GET /chat/stream`: the events of an interview, served by django-eventstream.

The library's view is not used itself, since it answers a denial with HTTP 200, takes `es-meta`
from anybody and starts a fresh listener wherever its first read happens to end. Here the rights
and the start id are settled first; then the library's own `stream` serves them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django_eventstream.eventrequest import EventRequest
from django_eventstream.utils import add_default_headers, get_storage, parse_last_event_id
from django_eventstream.views import Listener, stream
from rest_framework import exceptions

from interviews import answering
from interviews.api import own_session
from interviews.channels import Grant, channel_of
from neurogame.authentication import BearerAuthentication
from neurogame.problems import problem_response

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 15.0
RECONNECT_MS = 1500
UNKNOWN_ID = 0
# Reads of the log are short and touch no database: one thread serves every stream.
READERS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-stream")


@csrf_exempt
async def chat_stream(request: HttpRequest) -> HttpResponseBase:
    """The stream of the session named by `session_id`; errors are problems, before any event."""
    if request.method != "GET":
        response = problem_response("method_not_allowed")
        response["Allow"] = "GET"
        return response
    session_id = request.GET.get("session_id", "")
    if not session_id:
        return problem_response(
            "invalid", errors={"session_id": [str(_("This field is required."))]}
        )
    grant = await sync_to_async(_grant)(request, session_id)
    event_request = _event_request(request, grant)
    answer = StreamingHttpResponse(_frames(event_request), content_type="text/event-stream")
    add_default_headers(answer, request=request)
    answer["Cache-Control"] = "no-cache, no-transform"
    return answer


def _grant(request: HttpRequest, session_id: str) -> Grant:
    """The right to read a session's channel, or the API's 401 or 404."""
    user = _user(request)
    session = own_session(user, session_id)
    answering.ensure_started()
    return Grant(pk=user.pk, channel=channel_of(session.pk))


def _user(request: HttpRequest) -> Any:
    """Whose request it is: a bearer token counts before the session cookie, as in the API."""
    authentication = BearerAuthentication()
    found = authentication.authenticate(request)
    user = found[0] if found else getattr(request, "user", AnonymousUser())
    if not user.is_authenticated or not user.is_active:
        error = exceptions.NotAuthenticated()
        error.auth_header = authentication.authenticate_header(request)  # type: ignore[attr-defined]
        raise error
    return user


def _event_request(request: HttpRequest, grant: Grant) -> EventRequest:
    """What the library is to read: always from an explicit id."""
    event_request = EventRequest()
    event_request.channels = {grant.channel}
    event_request.user = grant
    event_request.is_next = event_request.is_recover = False
    event_request.channel_last_ids = {grant.channel: str(_start_id(request, grant.channel))}
    return event_request


def _start_id(request: HttpRequest, channel: str) -> int:
    """The id after which the events of this listener begin.

    With `Last-Event-ID` (or `?lastEventId=`) that one, without it the `typing` of the reply
    under way or else now. An id that cannot be read counts as one that the log does not know:
    the log then answers with `stream-reset` and starts as for somebody new.
    """
    given = request.headers.get("Last-Event-ID") or next(
        (value for value in reversed(request.GET.getlist("lastEventId")) if value), ""
    )
    if not given:
        return get_storage().get_resume_id(channel)
    try:
        last_id = parse_last_event_id(given[:1000]).get(channel, "")
        return int(last_id) if last_id.isascii() and last_id.isdigit() else UNKNOWN_ID
    except ValueError:
        return UNKNOWN_ID


async def _frames(event_request: EventRequest) -> AsyncIterator[str]:
    """The library's stream with earlier keep-alives, holding no thread and no connection.

    The library reads the log through `sync_to_async`, which would give every stream a thread of
    its own for as long as it is open. Its stream therefore runs in a task whose reads all go to
    one shared thread, and what the request's middleware left behind is given back first.
    """
    await _let_go()
    bodies: asyncio.Queue[str | None] = asyncio.Queue(maxsize=4)
    pump = asyncio.create_task(_pump(event_request, bodies))
    try:
        yield f"retry: {RECONNECT_MS}\n\n"
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    body = await bodies.get()
            except TimeoutError:
                yield "event: keep-alive\ndata:\n\n"
                continue
            if body is None:
                return
            yield body
    finally:
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump


async def _pump(event_request: EventRequest, bodies: asyncio.Queue[str | None]) -> None:
    listener = Listener()
    listener.channels = event_request.channels
    listener.user_id = event_request.user.pk
    try:
        async with (
            ThreadSensitiveContext(executor=READERS),
            aclosing(stream(event_request, listener)) as parts,
        ):
            async for body in parts:
                if body:
                    await bodies.put(body)
    except Exception:
        logger.exception("a chat stream broke")
    await bodies.put(None)


async def _let_go() -> None:
    """Close the request's database connections and end its thread; both come back on demand."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None:  # under a synchronous caller, which owns its thread
        return
    await sync_to_async(_close_connections)()
    executor = SyncToAsync.context_to_thread_executor.pop(context, None)
    if isinstance(executor, ThreadPoolExecutor):
        executor.shutdown(wait=False)


def _close_connections() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
