"""The bus of the chat: what django-eventstream stores, to whom, and how listeners hear of it.

Three facts of django-eventstream shape this module. Its listeners keep a queue of ten events
and lose what comes on top; a listener whose queue fills while it reads the storage reads the
same events twice; and a listener without a start id loses what is published during its first
read. So nothing is ever put into a listener's queue: `publish` appends to the storage and rings
a bell (the library's own overflow flag), and the listener reads on from the last id it sent.
There is one source of events, in one order, whatever the size of a burst.

Ids are integers, as the library wants them: milliseconds of the boot times 10^9, plus a counter
over all channels. An id of another boot, an id that was forgotten meanwhile and a forged one are
therefore all recognised, and answered with `stream-reset` and a start at a sensible place.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.conf import settings
from django_eventstream.channelmanager import ChannelManagerBase
from django_eventstream.event import Event
from django_eventstream.storage import StorageBase
from django_eventstream.utils import get_storage

logger = logging.getLogger(__name__)

IDS_PER_BOOT = 10**9
OPENS, CLOSES = ("typing",), ("final", "error")


def channel_of(session_id: Any) -> str:
    """The name of the channel of an interview session."""
    return f"session-{session_id}"


class EventLog(Protocol):
    """What the bus needs of a log of events; the ring in memory is one, Redis Streams another."""

    def append(self, channel: str, event_type: str, data: str) -> Event: ...

    def read(self, channel: str, last_id: int, limit: int) -> list[Event]:
        """Events after `last_id`, oldest first; a `stream-reset` first when it is unknown."""

    def current_id(self, channel: str) -> int:
        """An id after which only events follow that are not published yet."""

    def resume_id(self, channel: str) -> int:
        """Where somebody who knows nothing starts: before the reply that is under way, or now."""


@dataclass(slots=True)
class _Channel:
    floor: int
    """Highest id that was forgotten: whoever stands below it may have missed something."""
    events: deque[tuple[float, Event]] = field(default_factory=deque)
    open_replies: dict[str, int] = field(default_factory=dict)
    """Replies without an end, each with the id just before its `typing`."""


class RingLog:
    """A log in memory, safe to share between threads, bounded in every direction.

    `events_per_channel` and `age_s` bound a channel, `channels` and `max_bytes` the whole; the
    channel that was written to least recently is forgotten first. One lock guards everything:
    no method does more than copy references while it holds it.
    """

    def __init__(
        self,
        *,
        events_per_channel: int = 4096,
        channels: int = 4096,
        max_bytes: int = 64 << 20,
        age_s: float = 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.events_per_channel = events_per_channel
        self.max_channels = channels
        self.max_bytes = max_bytes
        self.age_s = age_s
        self.clock = clock
        self.boot = int(clock() * 1000) * IDS_PER_BOOT
        self.last_id = self.boot
        self.bytes = 0
        self._dropped_floor = self.boot
        self._channels: OrderedDict[str, _Channel] = OrderedDict()
        self._lock = threading.Lock()

    def append(self, channel: str, event_type: str, data: str) -> Event:
        """Store one event, `data` being JSON text, and return it with its id."""
        with self._lock:
            now = self.clock()
            self.last_id += 1
            event = Event(channel, event_type, data, id=self.last_id)  # type: ignore[arg-type]
            ring = self._channels.get(channel)
            if ring is None:
                ring = self._channels[channel] = _Channel(floor=self._dropped_floor)
            self._channels.move_to_end(channel)
            ring.events.append((now, event))
            self.bytes += _size(event)
            self._note_reply(ring, event)
            self._trim(ring, now)
            return event

    def read(self, channel: str, last_id: int, limit: int) -> list[Event]:
        with self._lock:
            ring = self._channels.get(channel)
            events: list[Event] = []
            if not self._floor(ring) <= last_id <= self.last_id:
                last_id = self._resume_id(ring)
                reset = json.dumps({"channels": [channel]})
                events.append(Event(channel, "stream-reset", reset, id=last_id))  # type: ignore[arg-type]
            if ring is not None:
                events += _after(ring.events, last_id)
            return events[:limit]

    def current_id(self, channel: str) -> int:
        with self._lock:
            return self.last_id

    def resume_id(self, channel: str) -> int:
        with self._lock:
            return self._resume_id(self._channels.get(channel))

    def knows(self, channel: str, last_id: int) -> bool:
        """Whether nothing after `last_id` was forgotten, and it is an id of this boot."""
        with self._lock:
            return self._floor(self._channels.get(channel)) <= last_id <= self.last_id

    # --- under the lock ---

    def _floor(self, ring: _Channel | None) -> int:
        return self._dropped_floor if ring is None else ring.floor

    def _resume_id(self, ring: _Channel | None) -> int:
        if ring is None or not ring.open_replies:
            return self.last_id
        return max(ring.floor, min(ring.open_replies.values()))

    def _note_reply(self, ring: _Channel, event: Event) -> None:
        if event.type in OPENS and event.id is not None:
            ring.open_replies.setdefault(_reply_id(event), event.id - 1)
        elif event.type in CLOSES:
            ring.open_replies.pop(_reply_id(event), None)

    def _trim(self, ring: _Channel, now: float) -> None:
        oldest = now - self.age_s
        while len(ring.events) > self.events_per_channel or ring.events[0][0] < oldest:
            ring.floor = self._forget(ring)
        while len(self._channels) > 1 and (
            len(self._channels) > self.max_channels or self.bytes > self.max_bytes
        ):
            self._drop_oldest_channel()
        while self.bytes > self.max_bytes and len(ring.events) > 1:
            ring.floor = self._forget(ring)
        while len(self._channels) > 1:
            first = next(iter(self._channels.values()))
            if first.events[-1][0] >= oldest:
                break
            self._drop_oldest_channel()

    def _drop_oldest_channel(self) -> None:
        _name, dropped = self._channels.popitem(last=False)
        while dropped.events:
            self._dropped_floor = max(self._dropped_floor, self._forget(dropped))

    def _forget(self, ring: _Channel) -> int:
        _at, event = ring.events.popleft()
        self.bytes -= _size(event)
        return event.id or 0


def _size(event: Event) -> int:
    return len(event.data) + len(event.channel) + len(event.type) + 200


def _reply_id(event: Event) -> str:
    return str(json.loads(event.data).get("reply_id"))  # type: ignore[arg-type]


def _after(events: deque[tuple[float, Event]], last_id: int) -> list[Event]:
    """Events after `last_id`, read from the end: what a listener lacks is nearly always short."""
    found: list[Event] = []
    for _at, event in reversed(events):
        if (event.id or 0) <= last_id:
            break
        found.append(event)
    found.reverse()
    return found


LOG: EventLog = RingLog()


class RingStorage(StorageBase):
    """`EVENTSTREAM_STORAGE_CLASS`: the library makes one for each thread, all on one log."""

    def append_event(self, channel: str, event_type: str, data: str) -> Event:
        return LOG.append(channel, event_type, data)

    def get_events(self, channel: str, last_id: int, limit: int = 100) -> list[Event]:
        return LOG.read(channel, last_id, limit)

    def get_current_id(self, channel: str) -> int:
        return LOG.current_id(channel)

    def get_resume_id(self, channel: str) -> int:
        return LOG.resume_id(channel)


@dataclass(frozen=True, slots=True)
class Grant:
    """A reader whose right to a channel the view has checked: no query while the stream runs."""

    pk: Any
    channel: str


class SessionChannelManager(ChannelManagerBase):
    """`EVENTSTREAM_CHANNELMANAGER_CLASS`: a channel is read by the session's candidate alone."""

    def get_channels_for_request(self, request: Any, view_kwargs: dict[str, Any]) -> set[str]:
        session_id = request.GET.get("session_id")
        return {channel_of(session_id)} if session_id else set()

    def can_read_channel(self, user: Any, channel: str) -> bool:
        return isinstance(user, Grant) and user.channel == channel

    def is_channel_reliable(self, channel: str) -> bool:
        return True


def publish(channel: str, event_type: str, data: dict[str, Any]) -> None:
    """Store an event and wake whoever listens in this process. Safe from any thread."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    get_storage().append_event(channel, event_type, text)
    ring_the_bell(channel)


def ring_the_bell(channel: str) -> None:
    """Make every local listener of `channel` read the storage from the last id it sent."""
    from django_eventstream.views import get_listener_manager

    manager = get_listener_manager()
    with manager.lock:
        for listener in manager.listeners_by_channel.get(channel, ()):
            listener.overflow = True
            try:
                listener.wake_threadsafe()
            except RuntimeError:  # its event loop is closed: nobody listens there any more
                logger.debug("a listener of %s has no event loop", channel)


def bus_name() -> str:
    """The word of the health check: which bus joins the processes."""
    return "redis" if getattr(settings, "REDIS_URL", "") else "memory"
