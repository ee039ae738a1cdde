"""Runs the ASGI application under Daphne, with the bounds of `httpd` and a graceful end.

`serve` returns when the server has stopped. SIGTERM and SIGINT stop listening at once, end event
streams (their clients reconnect), let the other requests finish within a grace period and break
what is left, so that no client takes a cut answer for a whole one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from daphne.server import Server as DaphneServer
from daphne.server import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)

from neurogame.httpd import Factory, Request
from neurogame.requestlog import Application, ClientGone

logger = logging.getLogger("neurogame.server")

BUFFER_SIZE = 64 << 10
BACKLOG = 1024
GONE_SECONDS = 1.0  # between a client's leaving and the end of an application that ignores it
EXIT_SECONDS = 5.0  # how long hooks and threads may hold the process up after serving


class ListenError(Exception):
    """The address cannot be listened on."""


class Server(DaphneServer):
    """Daphne's server over `httpd.Factory`; see the module.

    `body_limits`: bytes by path prefix, "" the default. `ready(host, port)` is called when
    connections are accepted.
    """

    def __init__(
        self,
        application: Application,
        *,
        body_limits: Mapping[str, int],
        grace_s: float,
        ready: Callable[[str, int], None],
    ) -> None:
        super().__init__(
            application, endpoints=["see listen()"], request_buffer_size=BUFFER_SIZE, server_name=""
        )
        self.body_limits = body_limits
        self.grace_s = grace_s
        self.ready = ready
        self.buffered = 0
        self.connections: dict[Request, dict[str, Any]] = {}
        self.http_factory = Factory(self)
        self.ports: list[Any] = []

    def listen(self, *, host: str, port: int) -> None:
        """Accept connections once the reactor runs. Raises `ListenError`."""
        try:
            address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]
            listening = reactor.listenTCP(
                port, self.http_factory, backlog=BACKLOG, interface=address
            )
        except (CannotListenError, OSError) as error:
            raise ListenError(f"cannot listen on {host}:{port}: {error}") from error
        self.ports.append(listening)
        actual = listening.getHost()
        reactor.callWhenRunning(self.ready, actual.host, actual.port)

    def run(self) -> None:
        """Serve until a signal, or `reactor.stop()`, ends it."""
        only_errors = LogLevelFilterPredicate(defaultLogLevel=LogLevel.error)
        observer: Any = FilteringLogObserver(
            cast(Any, STDLibLogObserver("neurogame.server")), [cast(Any, only_errors)]
        )
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
        asyncio.set_event_loop(reactor._asyncioEventloop)
        reactor.callLater(1, self.application_checker)
        reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        reactor.run()

    async def handle_reply(self, protocol: Request, message: dict[str, Any]) -> None:
        """Send a message of the application, no faster than the client reads.

        Raises `ClientGone` when it has gone away: an answer of any length ends there. Django
        hears of that by itself, cancels the answer and tidies up after it; it gets the time to.
        """
        if message["type"] == "http.response.body" and self._is_gone(protocol):
            await asyncio.sleep(GONE_SECONDS)
            raise ClientGone
        await super().handle_reply(protocol, message)
        if message.get("more_body"):
            await protocol.room()

    def _is_gone(self, request: Request) -> bool:
        details = self.connections.get(request)
        return details is None or bool(details.get("disconnected"))

    # --- the end ---

    def _stop(self) -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(self.drain()))

    def _running(self) -> list[asyncio.Future[Any]]:
        tasks = (details.get("application_instance") for details in self.connections.values())
        return [task for task in tasks if task is not None and not task.done()]

    async def drain(self) -> None:
        """Stop accepting, end event streams, let the rest finish within the grace period."""
        factory = self.http_factory
        factory.closing = True
        for port in self.ports:
            port.stopListening()
        for channel in list(factory.channels):
            channel.end()
        deadline = time.monotonic() + self.grace_s
        while (factory.channels or self._running()) and time.monotonic() < deadline:
            for request in list(self.connections):
                if not request.finished and request.channel and request.is_event_stream():
                    request.finish()
            await asyncio.sleep(0.02)
        for channel in list(factory.channels):
            channel.transport.abortConnection()
        tasks = self._running()
        for task in tasks:
            task.cancel()
        if tasks:
            logger.warning("%d requests did not finish within %s s", len(tasks), self.grace_s)
            await asyncio.wait(tasks, timeout=1.0)


def raise_file_limit() -> None:
    """As many open files as the system lets this process have: every stream is a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def collect_rarely() -> None:
    """Let the garbage collector leave alone what the start has made, and look less often.

    A request makes few cycles but thousands of objects; with the defaults the collector runs
    several times for each, now and then over everything that Django holds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def exit_soon(seconds: float = EXIT_SECONDS) -> None:
    """End the process even when a thread (a running judgement) would keep it alive."""

    def leave() -> None:
        time.sleep(seconds)
        logging.shutdown()
        os._exit(0)

    threading.Thread(target=leave, name="exit", daemon=True).start()


def serve(
    application: Application,
    *,
    host: str,
    port: int,
    body_limits: Mapping[str, int],
    grace_s: float = 4.0,
    ready: Callable[[str, int], None] = lambda host, port: None,
) -> None:
    """Serve `application` on `host`:`port` (0: a free one) until SIGTERM or SIGINT.

    Raises `ListenError` when the address is taken.
    """
    raise_file_limit()
    collect_rarely()
    server = Server(application, body_limits=body_limits, grace_s=grace_s, ready=ready)
    server.listen(host=host, port=port)
    server.run()
    exit_soon()
