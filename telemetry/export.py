"""Raw export: keyset pages over `seq`, as JSON, NDJSON or CSV.

An event is answered with exactly the fields that were sent and the server's own beside them.
Pages are read up to the greatest `seq` at the start, so a page taken while events arrive neither
skips nor repeats one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.db.models import Max, QuerySet

from telemetry.models import GameEvent

PAGE = 2000
SERVER_FIELDS = ("seq", "received_at", "effective_ts", "client_version", "flags")
CSV_COLUMNS = (
    "seq", "event_id", "event_type", "event_ts", "effective_ts", "received_at", "user_id",
    "session_id", "model_version", "client_version", "flags", "payload",
)  # fmt: skip
_FIELDS = ("seq", "raw", "received_at", "effective_ts", "client_version", "flags")
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: after a `seq`, received from (inclusive) to (exclusive), of whom, of what."""

    after: int = 0
    since: datetime | None = None
    until: datetime | None = None
    user_id: str | None = None
    event_type: str | None = None

    def events(self) -> QuerySet[GameEvent]:
        """All that the filters select, without `after`, in the order of `seq`."""
        events = GameEvent.objects.order_by("seq")
        if self.since is not None:
            events = events.filter(received_at__gte=self.since)
        if self.until is not None:
            events = events.filter(received_at__lt=self.until)
        if self.user_id is not None:
            events = events.filter(user_id=self.user_id)
        if self.event_type is not None:
            events = events.filter(event_type=self.event_type)
        return events


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def exported(row: dict[str, Any]) -> dict[str, Any]:
    """An event's fields as sent, the server's own beside them; the server's names win."""
    event: dict[str, Any] = msgspec.json.decode(row["raw"])
    event.update(
        seq=row["seq"],
        received_at=iso(row["received_at"]),
        effective_ts=iso(row["effective_ts"]),
        client_version=row["client_version"],
        flags=[word for word in row["flags"].split(",") if word],
    )
    return event


def page(selection: Selection, *, limit: int, offset: int = 0) -> dict[str, Any]:
    """One page: {"events", "next_cursor", "total"}; the cursor is the next `after`, or None."""
    events = selection.events()
    found = events.filter(seq__gt=selection.after).values(*_FIELDS)[offset : offset + limit + 1]
    rows = list(found)
    more = len(rows) > limit
    rows = rows[:limit]
    return {
        "events": [exported(row) for row in rows],
        "next_cursor": rows[-1]["seq"] if more else None,
        "total": events.count(),
    }


def _rows(selection: Selection, *, upto: int, limit: int | None) -> Iterator[list[dict[str, Any]]]:
    """Pages of rows up to `seq` `upto`, at most `limit` rows in all."""
    after, left = selection.after, limit
    events = selection.events().filter(seq__lte=upto)
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        rows = list(events.filter(seq__gt=after).values(*_FIELDS)[:size])
        if not rows:
            return
        yield rows
        after = rows[-1]["seq"]
        left = None if left is None else left - len(rows)


def last_seq() -> int:
    return GameEvent.objects.aggregate(last=Max("seq"))["last"] or 0


def ndjson(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(exported(row)) + b"\n" for row in rows)


def harmless(cell: str) -> str:
    """A cell that a spreadsheet will not read as a formula."""
    return "'" + cell if cell.startswith(_DANGEROUS) else cell


def csv_cells(row: dict[str, Any]) -> list[str]:
    """An event as CSV cells, in the order of `CSV_COLUMNS`; what was not sent is empty."""
    event = exported(row)
    event["flags"] = row["flags"]
    cells = []
    for name in CSV_COLUMNS:
        value = event.get(name)
        if isinstance(value, dict | list):
            value = msgspec.json.encode(value).decode()
        cells.append("" if value is None else harmless(str(value)))
    return cells


def csv_text(rows: list[dict[str, Any]], *, head: bool) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if head:
        writer.writerow(CSV_COLUMNS)
    writer.writerows(csv_cells(row) for row in rows)
    return out.getvalue().encode()


def chunks(
    selection: Selection, *, form: str, upto: int | None = None, limit: int | None = None
) -> Iterator[bytes]:
    """The selection up to `seq` `upto` as `ndjson` or `csv`, page by page, in flat memory."""
    upto = last_seq() if upto is None else upto
    if form == "csv":
        yield csv_text([], head=True)
    for rows in _rows(selection, upto=upto, limit=limit):
        yield ndjson(rows) if form == "ndjson" else csv_text(rows, head=False)


async def stream(
    selection: Selection, *, form: str, upto: int | None = None, limit: int | None = None
) -> AsyncIterator[bytes]:
    """`chunks` for an asynchronous answer: each page is read in a thread, then sent."""
    pages = chunks(selection, form=form, upto=upto, limit=limit)
    while True:
        chunk = await sync_to_async(lambda: next(pages, None))()
        if chunk is None:
            return
        yield chunk
