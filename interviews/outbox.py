"""What a reply says on its way out: stored first, then published, at most so many times a second.

One loop serves all replies of a process. What they said since the last round is written in a
single transaction and published after its commit; so a delta that anybody has seen is in the
database, with its number, and however many replies are under way there is one commit a round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from interviews.channels import channel_of, publish
from interviews.models import Message
from interviews.models.conversation import MessageStatus
from tasks.models import Assignment

logger = logging.getLogger(__name__)

INTERVAL_S = 0.06
"""Seconds between two deltas of a reply: fewer than 20 in any second."""

Database = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class End:
    """How a reply ended. `code` is empty for a `final`."""

    code: str = ""
    retryable: bool = True


@dataclass(slots=True, eq=False)
class Live:
    """A reply under way. `text` and `cuts` are stored and published, `buffer` is not yet.

    `cuts` are the ends of the deltas in `text`: from them a new process can publish the same
    deltas again.
    """

    reply_id: Any
    session_id: Any
    locale: str
    task_id: Any
    text: str
    cuts: list[int]
    meta: dict[str, Any]
    source: str = ""
    model: str = ""
    buffer: str = ""
    end: End | None = None
    lost: bool = False
    sent_at: float = float("-inf")
    done: asyncio.Event = field(default_factory=asyncio.Event)
    spoke: asyncio.Event = field(default_factory=asyncio.Event)
    stir: Callable[[], None] = lambda: None

    @property
    def said(self) -> str:
        """Everything said so far, on its way or out."""
        return self.text + self.buffer

    @property
    def ended(self) -> bool:
        return self.end is not None

    def say(self, piece: str) -> None:
        """Add to the reply. Raises `LeaseLost` when another process has taken it over."""
        if self.lost:
            raise LeaseLost(str(self.reply_id))
        if piece and not self.ended:
            self.buffer += piece
            self.stir()

    def finish(self) -> None:
        self._end(End())

    def fail(self, code: str, *, retryable: bool = True) -> None:
        self._end(End(code, retryable))

    def _end(self, end: End) -> None:
        if self.lost:
            self.done.set()
        if self.end is None:
            self.end = end
            self.stir()


class LeaseLost(Exception):
    """Another process streams this reply now."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What one round writes and publishes of one reply."""

    live: Live
    piece: str
    text: str
    cuts: list[int]
    end: End | None


class Outbox:
    """The loop that stores and publishes. `database` runs a function in a database thread."""

    def __init__(self, owner: str, lease: timedelta, database: Database) -> None:
        self.owner = owner
        self.lease = lease
        self._database = database
        self._lives: dict[Any, Live] = {}
        self._dirty: asyncio.Event

    def bind(self) -> None:
        """Belong to the running event loop."""
        self._dirty = asyncio.Event()

    def open(self, reply: Message) -> Live:
        live = Live(
            reply_id=reply.pk,
            session_id=reply.session_id,
            locale=reply.session.locale,
            task_id=reply.task_id,
            text=reply.text,
            cuts=list(reply.meta.get("cuts", [])),
            meta=reply.meta,
            source=reply.source,
            model=reply.model,
            stir=self._dirty.set,
        )
        self._lives[live.reply_id] = live
        return live

    def drop(self, live: Live) -> None:
        self._lives.pop(live.reply_id, None)

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            waiting = [
                live
                for live in self._lives.values()
                if (live.buffer or live.ended) and not live.done.is_set()
            ]
            if not waiting:
                await self._stirred(None)
                continue
            due = [live for live in waiting if live.sent_at + INTERVAL_S <= clock()]
            if not due:
                await self._stirred(min(live.sent_at for live in waiting) + INTERVAL_S - clock())
                continue
            await self._round([_step(live) for live in due])
            for live in due:
                live.sent_at = clock()

    async def _stirred(self, seconds: float | None) -> None:
        """Sleep until something is said, at most so many seconds."""
        self._dirty.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._dirty.wait()

    async def renew(self) -> None:
        """Keep the leases of replies that say nothing for a while."""
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            if not self._lives:
                continue
            try:
                await self._database(self._renew, list(self._lives))
            except Exception:
                logger.exception("renewing leases")

    async def _round(self, steps: list[_Step]) -> None:
        try:
            lost = await self._database(self._write, steps)
        except Exception:
            # What was not stored is not published either; the lease runs out and a later claim
            # goes on from what is stored.
            logger.exception("storing replies")
            lost = [step.live for step in steps]
        for step in steps:
            live = step.live
            if live in lost:
                live.lost = True
                live.buffer = ""
                live.spoke.set()
                live.done.set()
                continue
            live.text, live.cuts = step.text, step.cuts
            live.buffer = live.buffer[len(step.piece) :]
            live.spoke.set()
            if step.end is not None:
                live.done.set()

    # --- In a database thread ---

    def _renew(self, reply_ids: list[Any]) -> None:
        Message.objects.filter(
            pk__in=reply_ids, lease_owner=self.owner, status=MessageStatus.PENDING
        ).update(lease_until=timezone.now() + self.lease)

    def _write(self, steps: list[_Step]) -> list[Live]:
        """Store a round, then publish it; the replies whose lease is not ours any more."""
        lost: list[Live] = []
        with transaction.atomic():
            for step in steps:
                mine = Message.objects.filter(
                    pk=step.live.reply_id, lease_owner=self.owner, status=MessageStatus.PENDING
                )
                if not mine.update(**self._fields(step)):
                    lost.append(step.live)
                elif step.end is not None and not step.end.code:
                    _count_hint(step.live)
        for step in steps:
            if step.live not in lost:
                _publish(step)
        return lost

    def _fields(self, step: _Step) -> dict[str, Any]:
        live, now = step.live, timezone.now()
        meta = {**live.meta, "cuts": step.cuts}
        fields = {
            "text": step.text,
            "published_seq": len(step.cuts),
            "source": live.source,
            "model": live.model,
            "lease_until": now + self.lease,
        }
        if step.end is not None:
            for name in ("plan", "cuts"):
                meta.pop(name, None)
            failed = bool(step.end.code)
            fields |= {
                "status": MessageStatus.ERROR if failed else MessageStatus.COMPLETE,
                "completed_at": now,
                "error_code": step.end.code,
                "retryable": failed and step.end.retryable,
                "lease_until": None,
            }
        return fields | {"meta": meta}


def _step(live: Live) -> _Step:
    text = live.text + live.buffer
    cuts = [*live.cuts, len(text)] if live.buffer else live.cuts
    return _Step(live, live.buffer, text, cuts, live.end)


def _count_hint(live: Live) -> None:
    hint = live.meta.get("hint")
    if hint and live.task_id:
        Assignment.objects.filter(
            session_id=live.session_id, task_id=live.task_id, hints_given__lt=hint
        ).update(hints_given=hint)


def _publish(step: _Step) -> None:
    live = step.live
    channel, reply_id = channel_of(live.session_id), str(live.reply_id)
    if step.piece:
        seq = len(step.cuts) - 1
        publish(channel, "delta", {"reply_id": reply_id, "seq": seq, "text": step.piece})
    if step.end is None:
        return
    if not step.end.code:
        final = {"text": step.text, "source": live.source, "model": live.model}
        publish(channel, "final", {"reply_id": reply_id, **final})
        return
    with override(live.locale):
        detail = _("The interviewer could not finish this reply. You can send your message again.")
    publish(
        channel,
        "error",
        {
            "reply_id": reply_id,
            "code": step.end.code,
            "detail": detail,
            "retryable": step.end.retryable,
        },
    )
