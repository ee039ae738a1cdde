"""Raw export: which events, and how one is written.

An event is exported with exactly the text that was sent and the server's own fields before it. A
selection is read up to one `seq`, its snapshot: pages and streams of the same `as_of` hold the same
events, whatever arrives meanwhile, since `seq` follows the order of commits and rows never change.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec
from django.db.models import Max, Q, QuerySet

from telemetry.models import GameEvent

SERVER_FIELDS = ("seq", "received_at", "effective_ts", "client_version", "flags")
# Beside the server's names: a name may be written with escapes, so an escape of ASCII is suspect.
SUSPECT = (*(f'"{name}"' for name in SERVER_FIELDS), "\\u00")
_BREAKS = str.maketrans("\r\n", "  ")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: `seq` above `after` and up to `as_of`, received from `since` until `until`.

    `since` is inclusive, `until` exclusive; `search` is the whole id of an event, a player or a
    game session. None selects nothing out.
    """

    after: int = 0
    as_of: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    user_id: str | None = None
    event_type: str | None = None
    model_version: str | None = None
    search: str | None = None

    def events(self) -> QuerySet[GameEvent]:
        """All that the filters select, without `after`, in the order of `seq`."""
        events = GameEvent.objects.order_by("seq")
        if self.as_of is not None:
            events = events.filter(seq__lte=self.as_of)
        if self.since is not None:
            events = events.filter(received_at__gte=self.since)
        if self.until is not None:
            events = events.filter(received_at__lt=self.until)
        for name in ("user_id", "event_type", "model_version"):
            if (value := getattr(self, name)) is not None:
                events = events.filter(**{name: value})
        if (word := self.search) is not None:
            events = events.filter(Q(event_id=word) | Q(user_id=word) | Q(session_id=word))
        return events

    def left(self) -> QuerySet[GameEvent]:
        """What of `events` comes after `after`."""
        return self.events().filter(seq__gt=self.after)

    def snapshot(self) -> Selection:
        """The same up to the last `seq` that is stored now, or `as_of` where that is lower."""
        last = last_seq()
        return dataclasses.replace(
            self, as_of=last if self.as_of is None else min(self.as_of, last)
        )

    def skipped(self, count: int) -> Selection:
        """The same without its first `count` events."""
        if not count:
            return self
        row = self.left().values_list("seq", flat=True)[count - 1 : count].first()
        end = last_seq() if self.as_of is None else self.as_of
        return dataclasses.replace(self, after=end if row is None else row)


class Row(NamedTuple):
    """An event as it is stored; times are ISO 8601 in UTC, `flags` comma-separated."""

    seq: int
    raw: str
    received_at: str
    effective_ts: str
    client_version: str
    flags: str
    event_id: str
    event_type: str
    event_ts: str | None
    user_id: str
    session_id: str
    model_version: str


def last_seq() -> int:
    return GameEvent.objects.aggregate(last=Max("seq"))["last"] or 0


def server_part(row: Row) -> str:
    """The server's own fields as the beginning of a JSON object, up to its first sent field."""
    version = msgspec.json.encode(row.client_version).decode()
    flags = msgspec.json.encode([word for word in row.flags.split(",") if word]).decode()
    return (
        f'{{"seq":{row.seq},"received_at":"{row.received_at}","effective_ts":"{row.effective_ts}",'
        f'"client_version":{version},"flags":{flags},'
    )


def event_line(row: Row) -> str:
    """An event as one line of JSON: the server's fields, then the text as it was sent.

    Line breaks between tokens become spaces. A sent field with a name of the server's is left
    out; of such an event the other fields' names are written anew, their values are as sent.
    """
    raw = row.raw.translate(_BREAKS).lstrip()
    if any(word in raw for word in SUSPECT):
        sent = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        kept = {name: value for name, value in sent.items() if name not in SERVER_FIELDS}
        raw = msgspec.json.encode(kept).decode()
    return server_part(row) + raw[1:]
