"""Streaming the replies that are pending in the database.

An `Engine` is a thread with an event loop of its own in the web process. For each session with
pending replies it runs one task, which takes them in order: claim the lease, publish `typing`,
let the interviewer speak, end with `final` or `error`. `outbox` writes and publishes what is
said; `speaking` decides who says it.

A claim is an update that names the old lease, so of two processes one wins. The lease is renewed
while the reply is under way; when it has run out, another process (or this one, restarted) goes
on from the deltas that were stored, under their numbers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, close_old_connections, transaction
from django.db.models import Q
from django.utils import timezone

from interviews.channels import bus_name, channel_of, publish
from interviews.interviewer.client import Endpoint
from interviews.models import Message
from interviews.models.conversation import MessageStatus
from interviews.outbox import LeaseLost, Outbox
from interviews.speaking import Speaker

logger = logging.getLogger(__name__)

LEASE_S = 20.0
SWEEP_S = 2.0
DATABASE_THREADS = 4
DATABASE_TRIES = 5


class Engine:
    """Answers pending replies until it is stopped. All tasks run in its own loop and thread."""

    def __init__(
        self,
        *,
        endpoint: Endpoint | None,
        script_seconds: float = 1.2,
        lease_s: float = LEASE_S,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self.owner = f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.lease = timedelta(seconds=lease_s)
        self.sweep_s = sweep_s
        self.loop = asyncio.new_event_loop()
        self.outbox = Outbox(self.owner, self.lease, self.database)
        self.speaker = Speaker(endpoint, self.database, script_seconds=script_seconds)
        self._pool = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="chat-database")
        self._thread = threading.Thread(target=self._run, name="chat-engine", daemon=True)
        self._serving: dict[Any, asyncio.Task[None]] = {}
        self._again: set[Any] = set()
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()

    # --- From any thread ---

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self, *, release: bool = True) -> None:
        """End all tasks; with `release` their leases too, so that another engine goes on now."""
        if not self._thread.is_alive():
            return
        self.loop.call_soon_threadsafe(self._stop)
        self._thread.join()
        if release:
            self._pool.submit(_with_connection, self._release, Q(lease_owner=self.owner)).result()
        self._pool.shutdown()

    def wake(self, session_id: Any) -> None:
        """Look for pending replies of a session now. Safe from any thread."""
        try:
            self.loop.call_soon_threadsafe(self._wake, session_id)
        except RuntimeError:  # stopped meanwhile; the next engine finds the reply
            logger.debug("the chat engine has stopped")

    async def database[T](self, work: Callable[..., T], *arguments: Any) -> T:
        """Run `work` in a thread with a connection that is given back; retries while locked."""
        for attempt in range(1, DATABASE_TRIES + 1):
            try:
                return await self.loop.run_in_executor(
                    self._pool, _with_connection, work, *arguments
                )
            except OperationalError:
                if attempt == DATABASE_TRIES:
                    raise
                await asyncio.sleep(0.1 * 2**attempt)
            except RuntimeError as error:
                if "shutdown" not in str(error):
                    raise
                raise asyncio.CancelledError from None  # the interpreter is ending
        raise AssertionError("unreachable")

    # --- In the loop ---

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._main())
        finally:
            self.loop.close()

    async def _main(self) -> None:
        self._stopping = asyncio.Event()
        self.outbox.bind()
        background = [
            asyncio.create_task(self.outbox.run()),
            asyncio.create_task(self.outbox.renew()),
            asyncio.create_task(self._sweep()),
        ]
        self._ready.set()
        await self._stopping.wait()
        tasks = [*self._serving.values(), *background]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.speaker.close()

    def _stop(self) -> None:
        assert self._stopping is not None  # noqa: S101 - set before `start` returns
        self._stopping.set()

    def _wake(self, session_id: Any) -> None:
        if session_id in self._serving:
            self._again.add(session_id)
        else:
            self._serving[session_id] = asyncio.create_task(self._serve(session_id))

    async def _serve(self, session_id: Any) -> None:
        """Answer what is pending in a session, oldest first, until nothing is left to claim."""
        try:
            while True:
                self._again.discard(session_id)
                reply = await self.database(self._take, session_id)
                if reply is not None:
                    await self._answer(reply)
                elif session_id not in self._again:
                    return
        except Exception:
            logger.exception("replies of session %s", session_id)
        finally:
            self._serving.pop(session_id, None)

    async def _answer(self, reply: Message) -> None:
        live = self.outbox.open(reply)
        try:
            try:
                await self.speaker.speak(reply, live)
            except LeaseLost:
                logger.info("reply %s is streamed elsewhere", reply.pk)
            except Exception:
                logger.exception("reply %s broke", reply.pk)
                live.fail("interviewer_failed")
            if live.ended:
                await live.done.wait()
        finally:
            self.outbox.drop(live)

    async def _sweep(self) -> None:
        """Find pending replies that nobody streams: after a crash, or written elsewhere."""
        first = True
        while True:
            try:
                if first and bus_name() == "memory":  # the one web process: old leases are dead
                    await self.database(self._release, ~Q(lease_owner=self.owner))
                first = False
                for session_id in await self.database(self._waiting):
                    self._wake(session_id)
            except Exception:
                logger.exception("looking for pending replies")
            await asyncio.sleep(self.sweep_s)

    # --- In a database thread ---

    def _waiting(self) -> list[Any]:
        pending = Message.objects.filter(_free(), status=MessageStatus.PENDING)
        return list(pending.order_by().values_list("session_id", flat=True).distinct()[:500])

    def _release(self, whose: Q) -> None:
        leased = Message.objects.filter(whose, status=MessageStatus.PENDING)
        leased = leased.exclude(lease_until=None)
        if leased.exists():
            leased.update(lease_until=None)

    def _take(self, session_id: Any) -> Message | None:
        """Claim the next reply of a session and let it be seen that it comes."""
        reply = self._claim(session_id)
        if reply is not None:
            _announce(reply)
        return reply

    def _claim(self, session_id: Any) -> Message | None:
        """Lease the oldest pending reply of a session; None when there is none to be had."""
        with transaction.atomic():
            pending = Message.objects.filter(session_id=session_id, status=MessageStatus.PENDING)
            reply = pending.order_by("seq").first()
            if reply is None:
                return None
            reply.meta["claims"] = reply.meta.get("claims", 0) + 1
            claimed = Message.objects.filter(
                _free(), pk=reply.pk, status=MessageStatus.PENDING, lease_owner=reply.lease_owner
            ).update(
                lease_owner=self.owner,
                lease_until=timezone.now() + self.lease,
                meta=reply.meta,
            )
            if not claimed:
                return None
        reply.lease_owner = self.owner
        return Message.objects.select_related("session__candidate", "reply_to").get(pk=reply.pk)


def _free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lte=timezone.now())


def _announce(reply: Message) -> None:
    """`typing`, and in a new process the deltas that were published before, as they were."""
    channel = channel_of(reply.session_id)
    reply_id = str(reply.pk)
    publish(channel, "typing", {"reply_id": reply_id})
    start = 0
    for seq, end in enumerate(reply.meta.get("cuts", [])):
        publish(channel, "delta", {"reply_id": reply_id, "seq": seq, "text": reply.text[start:end]})
        start = end


def _with_connection[T](work: Callable[..., T], *arguments: Any) -> T:
    close_old_connections()
    try:
        return work(*arguments)
    finally:
        close_old_connections()


# --- The engine of this process ---------------------------------------------------------------

_engine: Engine | None = None
_lock = threading.Lock()


def ensure_started() -> Engine:
    """The engine of this process, started by the first who needs it."""
    global _engine
    with _lock:
        if _engine is None:
            _engine = Engine(
                endpoint=Endpoint.from_settings(), script_seconds=settings.CHAT_SCRIPT_SECONDS
            )
            _engine.start()
        return _engine


def stop() -> None:
    """Stop this process's engine, if there is one; the next message starts another."""
    global _engine
    with _lock:
        if _engine is not None:
            _engine.stop()
            _engine = None


def serve(session_id: Any) -> None:
    """Answer what is pending in a session, in this process."""
    ensure_started().wake(session_id)


def nudge(session_id: Any) -> None:
    """The same where an engine runs; elsewhere the web process finds the reply by itself."""
    if _engine is not None:
        _engine.wake(session_id)
