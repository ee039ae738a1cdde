"""The formats of an export: JSON, NDJSON and CSV, each written page by page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from telemetry.columns import EVENTS
from telemetry.export import Row
from telemetry.export_source import Source

CSV_COLUMNS = tuple(column.name for column in EVENTS.of("csv"))
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


class Writer:
    """Writes one selection in one format; `last` is the `seq` that it has come to.

    `rows` are the events so far, `limit` is the greatest number of events. A page is what `page` returns: bytes, or None after
    the last event. An answer is `begin`, the pages, `end`.
    """

    def __init__(self, source: Source, *, limit: int | None = None) -> None:
        self.source = source
        self.left = limit
        self.rows = 0
        self.last = source.selection.after

    def begin(self) -> bytes:
        return b""

    def page(self) -> bytes | None:
        raise NotImplementedError

    def end(self) -> bytes:
        return b""

    def _lines(self) -> bytes:
        """The next page as NDJSON; empty after the last event."""
        if self.left == 0:
            return b""
        data, rows, self.last = self.source.lines(self.last, self.left)
        self._count(rows)
        return data

    def _rows(self) -> list[Row]:
        """The next page as rows; empty after the last event."""
        if self.left == 0:
            return []
        rows = self.source.rows(self.last, self.left)
        self.last = rows[-1].seq if rows else self.last
        self._count(len(rows))
        return rows

    def _count(self, rows: int) -> None:
        self.rows += rows
        if self.left is not None:
            self.left -= rows


class NDJSONWriter(Writer):
    """One event a line, as `export.event_line` has it."""

    def page(self) -> bytes | None:
        return self._lines() or None


class JSONWriter(Writer):
    """One object: the events, what the filters select in all, and the next `after` or null."""

    began = False

    def begin(self) -> bytes:
        as_of = self.source.selection.as_of or 0
        return b'{"ok":true,"as_of":%d,"total":%d,"events":[' % (as_of, self.source.count())

    def page(self) -> bytes | None:
        lines = self._lines()
        if not lines:
            return None
        comma = b"," if self.began else b""
        self.began = True
        return comma + lines[:-1].replace(b"\n", b",")

    def end(self) -> bytes:
        more = self.left == 0 and self.source.has_more(self.last)
        return b'],"next_cursor":%s}' % (b"%d" % self.last if more else b"null")


class _Sent(msgspec.Struct):
    """What of the text as sent a table needs beside the columns that are stored."""

    event_ts: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"null")


_sent = msgspec.json.Decoder(_Sent)


def compact(value: msgspec.Raw) -> str:
    """A JSON text without white space between its tokens; its numbers and strings as sent."""
    text: bytes = msgspec.json.format(bytes(value), indent=-1)
    return "" if text == b"null" else text.decode()


def harmless(cell: str) -> str:
    """A cell that a spreadsheet will not read as a formula."""
    return "'" + cell if cell.startswith(_DANGEROUS) else cell


class CSVWriter(Writer):
    """RFC 4180 with a head; a cell that a spreadsheet would read as a formula gets a `'`."""

    def begin(self) -> bytes:
        return ",".join(CSV_COLUMNS).encode() + b"\r\n"

    def page(self) -> bytes | None:
        rows = self._rows()
        if not rows:
            return None
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerows(map(csv_cells, rows))
        return out.getvalue().encode()


def csv_cells(row: Row) -> list[Any]:
    """An event as cells in the order of `CSV_COLUMNS`; what was not sent is empty."""
    sent = _sent.decode(row.raw)
    return [
        row.seq, harmless(row.event_id), harmless(row.event_type), harmless(sent.event_ts),
        row.effective_ts, row.received_at, harmless(row.user_id), harmless(row.session_id),
        harmless(row.model_version), harmless(row.client_version), row.flags,
        compact(sent.payload),
    ]  # fmt: skip


def _parquet(source: Source, *, limit: int | None = None) -> Writer:
    from telemetry.export_parquet import ParquetWriter  # pyarrow: half a second, and 60 MB

    return ParquetWriter(source, limit=limit)


@dataclass(frozen=True, slots=True)
class Kind:
    """A format as the answer's head has it, and what makes its writer."""

    media_type: str
    extension: str
    writer: Callable[..., Writer]
    gzips: bool = True  # whether gzip on the wire makes it smaller


KINDS = {
    "json": Kind("application/json", "json", JSONWriter),
    "ndjson": Kind("application/x-ndjson", "ndjson", NDJSONWriter),
    "csv": Kind("text/csv; charset=utf-8", "csv", CSVWriter),
    "parquet": Kind("application/vnd.apache.parquet", "parquet", _parquet, gzips=False),
}
