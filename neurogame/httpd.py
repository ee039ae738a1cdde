"""Daphne's HTTP protocol with bounds: on bodies, headers, time and unread answers.

Twisted writes a request's whole body to a temporary file before an application sees the first
header, whoever sends it. Here a body is refused by its declared size before a byte of it is read
and by its counted size while it arrives; what still comes is read and thrown away, within
bounds, so that the client can read the answer (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.web import http
from twisted.web.http_headers import Headers

from neurogame.language import gettext_noop as _
from neurogame.language import said
from neurogame.redaction import redact_target
from neurogame.requestlog import (
    SERVER_FAILED,
    log_request,
    new_request_id,
    phrase,
    problem_bytes,
)

if TYPE_CHECKING:
    from neurogame.server import Server

HEADER_SECONDS = 20.0  # from a request's first byte to the end of its headers
BODY_SECONDS = 180.0  # from there to the end of its body
IDLE_SECONDS = 75.0  # between two requests, or two packets of one
STALL_SECONDS = 60.0  # how long a streamed answer waits for a client that does not read
DRAIN_SECONDS = 30.0  # how long, and
DRAIN_BYTES = 512 << 20  # how much, is read and discarded after a refusal
SPOOL_BYTES = 1 << 20  # a body up to this size stays in memory
BUFFERED_BYTES = 256 << 20  # all bodies that are arriving, together
WIRE_FACTOR = 8  # chunked framing may cost this many bytes for each byte of a body

MEDIA_TYPE = b"application/problem+json"


def body_limit(path: bytes, limits: Mapping[str, int]) -> int:
    """The limit in bytes of the longest prefix of `path` in `limits`; "" is the default."""
    text = path.decode("latin-1")
    prefix = max((prefix for prefix in limits if text.startswith(prefix)), key=len)
    return limits[prefix]


def origin_form(target: bytes) -> bytes:
    """A request target without scheme and authority (RFC 9112, section 3.2.2)."""
    for scheme in (b"http://", b"https://"):
        if target.lower().startswith(scheme):
            _authority, slash, rest = target[len(scheme) :].partition(b"/")
            return slash + rest if slash else b"/"
    return target


def language_headers(headers: Headers) -> dict[bytes, bytes]:
    """What of a request's headers says its language."""
    names = (b"accept-language", b"cookie")
    return {name: (headers.getRawHeaders(name) or [b""])[0] for name in names}


def _target(uri: bytes) -> str:
    path, _question, query = uri.decode("latin-1").partition("?")
    return redact_target(path, query)


class Channel(http.HTTPChannel):
    """One connection."""

    totalHeadersSize = 32 << 10
    maxHeaders = 100
    abortTimeout = 5

    transport: Any
    factory: Factory
    refused = False
    drained = 0
    received = 0  # bytes of the wire since the end of the request's headers
    _deadline: Any = None

    # --- time ---

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.callLater(seconds, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self.refuse(408, "timeout", _("The request did not arrive in time."))

    def timeoutConnection(self) -> None:
        if self.requests:
            self._too_slow()
        else:
            super().timeoutConnection()

    # --- what arrives ---

    def dataReceived(self, data: bytes) -> None:
        if self.refused:
            self.drained += len(data)
            if self.drained > DRAIN_BYTES:
                self.transport.abortConnection()
            return
        if self._deadline is None and not self._handlingRequest:
            self._arm(HEADER_SECONDS)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if self._receivedHeaderSize + len(line) > self.totalHeadersSize:
            self.refuse(431, "headers_too_large", _("The request's headers are too large."))
            return
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(431, "headers_too_large", _("A line of the request's head is too long."))

    def headerReceived(self, line: bytes) -> bool:
        if self._receivedHeaderCount >= self.maxHeaders:
            self.refuse(431, "headers_too_large", _("The request has too many headers."))
            return False
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a length of thousands of digits
            self._respondToBadRequestAndDisconnect()
            return False

    def allHeadersReceived(self) -> None:
        self.received = 0
        self._arm(BODY_SECONDS)
        super().allHeadersReceived()

    def rawDataReceived(self, data: bytes) -> None:
        if not self._handlingRequest:
            self.received += len(data)
            if self.received > WIRE_FACTOR * self.requests[-1].limit + SPOOL_BYTES:
                self.refuse_body()
                return
        super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        self._disarm()
        if not self.refused:
            super().allContentReceived()

    def _send100Continue(self) -> None:
        if not self.refused:
            super()._send100Continue()

    # --- the connection ---

    def connectionMade(self) -> None:
        self.factory.channels.add(self)
        self.transport.setTcpKeepAlive(True)
        super().connectionMade()

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.channels.discard(self)
        self._disarm()
        super().connectionLost(reason)

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        if self.factory.closing:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def end(self) -> None:
        """Close once the request at hand is answered; at once when there is none."""
        self.persistent = False
        if self.refused:
            self.transport.abortConnection()
        elif not self.requests:
            self.loseConnection()

    # --- refusing ---

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400, "bad_request", _("This is not a well-formed HTTP request."))

    def refuse_body(self) -> None:
        self.refuse(413, "too_large", _("The body is larger than this address accepts."))

    def refuse(self, status: int, code: str, detail: str) -> None:
        """Answer at once without the application, then discard what comes until it closes."""
        if self.refused:
            return
        self.refused = True
        self.setTimeout(None)
        self._disarm()
        self.clearLineBuffer()
        for request in self.requests:
            request.discard()
        method = getattr(self, "_command", b"").decode("latin-1")
        request_id = new_request_id()
        asked = language_headers(self.requests[-1].requestHeaders) if self.requests else {}
        detail = said(detail, asked)
        body = problem_bytes(status=status, code=code, detail=detail, request_id=request_id)
        head = [
            f"HTTP/1.1 {status} {phrase(status)}",
            f"Content-Type: {MEDIA_TYPE.decode()}",
            f"Content-Length: {len(body)}",
            f"X-Request-ID: {request_id}",
            "Cache-Control: no-store",
            *(["Retry-After: 5"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
            "Connection: close",
            "\r\n",
        ]
        self.transport.write("\r\n".join(head).encode() + (b"" if method == "HEAD" else body))
        self._networkProducer.unregisterProducer()
        self.transport.loseWriteConnection()
        self._abortingCall = self.callLater(DRAIN_SECONDS, self.forceAbortClient)
        log_request(
            request_id=request_id,
            method=method,
            target=_target(getattr(self, "_path", b"")),
            status=status,
            seconds=self.requests[-1].age() if self.requests else 0.0,
            size=len(body),
            client=str(getattr(self.transport.getPeer(), "host", "")),
        )


class Request(WebRequest):
    """One request and its answer."""

    limit = 0
    buffered = 0
    server: Server

    def __init__(self, channel: Channel, *args: Any, **kwargs: Any) -> None:
        self.began = time.perf_counter()
        self._room: asyncio.Event | None = None
        super().__init__(channel, *args, **{**kwargs, "parsePOSTFormSubmission": False})

    def age(self) -> float:
        """Seconds since the request's first line."""
        return time.perf_counter() - self.began

    # --- the body while it arrives ---

    def gotLength(self, length: int | None) -> None:
        self.limit = body_limit(origin_form(self.channel._path), self.server.body_limits)
        in_memory = max(length or 0, self.limit if length is None else 0) <= SPOOL_BYTES
        # Closed by Twisted with the request.
        self.content = (
            BytesIO() if in_memory else tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115
        )
        if length is not None and length > self.limit:
            self.channel.refuse_body()

    def handleContentChunk(self, data: bytes) -> None:
        if self.channel.refused:
            return
        self.buffered += len(data)
        self.server.buffered += len(data)
        if self.buffered > self.limit:
            self.channel.refuse_body()
        elif self.server.buffered > BUFFERED_BYTES:
            self.channel.refuse(503, "unavailable", _("The server is busy; try again."))
        else:
            self.content.write(data)

    def _release(self) -> None:
        self.server.buffered -= self.buffered
        self.buffered = 0

    def discard(self) -> None:
        """Forget the body that has arrived so far."""
        self._release()
        if self.content is not None:
            self.content.close()
        self.content = BytesIO()

    # --- to the application ---

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        super().requestReceived(command, origin_form(path), version)

    def process(self) -> Any:
        # Only HTTP is spoken here; and a client does not choose where the application is mounted.
        self.requestHeaders.removeHeader(b"Upgrade")
        self.requestHeaders.removeHeader(b"Daphne-Root-Path")
        outcome = super().process()
        self._release()
        return outcome

    # --- back to the client ---

    def handle_reply(self, message: dict[str, Any]) -> None:
        if self.finished or self.channel is None:
            return
        if message.get("body") and (self.method == b"HEAD" or self.code in http.NO_BODY_CODES):
            message = {**message, "body": b""}  # Daphne would send all but the first part
        if message.get("more_body") and self.producer is None:
            self._room = asyncio.Event()
            self._room.set()
            self.registerProducer(self, True)
        super().handle_reply(message)

    async def room(self) -> None:
        """Wait until the client has read what was sent; give up on one that does not read."""
        if self._room is None or self._room.is_set():
            return
        try:
            await asyncio.wait_for(self._room.wait(), STALL_SECONDS)
        except TimeoutError:
            self.abort()

    def pauseProducing(self) -> None:
        if self._room is not None:
            self._room.clear()

    def resumeProducing(self) -> None:
        if self._room is not None:
            self._room.set()

    stopProducing = resumeProducing

    def finish(self) -> None:
        if self.producer is not None:
            self.unregisterProducer()
        self.resumeProducing()
        super().finish()

    def connectionLost(self, reason: Any) -> None:
        self._release()
        self.producer = None
        self.resumeProducing()
        super().connectionLost(reason)

    def abort(self) -> None:
        """Break the connection: the client sees that the answer is not complete."""
        if not self.finished and self.channel is not None:
            self.channel.transport.abortConnection()

    def is_event_stream(self) -> bool:
        types = self.responseHeaders.getRawHeaders(b"content-type") or [b""]
        return bool(types[0].startswith(b"text/event-stream"))

    def handle_exception(self, exception: BaseException) -> None:
        if self._response_started:
            self.abort()
        else:
            super().handle_exception(exception)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """What Daphne answers by itself, in our shape of an error."""
        request_id = new_request_id()
        code, detail = {
            400: ("bad_request", f"{body}."),
            503: ("unavailable", _("The server did not answer in time.")),
        }.get(status, ("error", SERVER_FAILED))
        detail = said(detail, language_headers(self.requestHeaders))
        content = problem_bytes(status=status, code=code, detail=detail, request_id=request_id)
        headers = [
            (b"Content-Type", MEDIA_TYPE),
            (b"Content-Length", str(len(content)).encode()),
            (b"X-Request-ID", request_id.encode()),
        ]
        method, target, client = self.method.decode("latin-1"), _target(self.uri), self.client_addr
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": content})
        log_request(
            request_id=request_id,
            method=method,
            target=target,
            status=status,
            seconds=self.age(),
            size=len(content),
            client=client[0] if client else None,
        )


class Factory(HTTPFactory):
    """Makes a `Channel` for each connection."""

    protocol = Channel  # plain HTTP/1.1: TLS and HTTP/2 end at the proxy

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.timeOut = IDLE_SECONDS
        self.channels: set[Channel] = set()
        self.closing = False

    def buildProtocol(self, addr: Any) -> Channel:
        channel: Channel = super().buildProtocol(addr)
        channel.requestFactory = Request  # type: ignore[assignment]
        return channel

    def log(self, request: http.Request) -> None:
        """No access log of its own: the request log is the only one."""
