"""Events of a file: NDJSON, saved JSON pages, CSV or Parquet; text plain or gzipped.

What the file is follows from its content, not its name. Events without ``seq`` get their number in
the file. A file in ascending order of ``seq`` is streamed, any other is held to be sorted. Of
several events with one id the one with the least ``seq`` is kept, as the server keeps the first.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any, ClassVar

import msgspec
from django.utils.translation import gettext as _

from telemetry.training.sources import MAX_SEQ, Row, SnapshotError, canonical, line_of

BATCH = 8192
_MAX_CELL = 1 << 24
# What `telemetry.export.harmless` puts a `'` before, so that a spreadsheet runs nothing.
_DEFUSED = tuple("'" + mark for mark in ("=", "+", "-", "@", "\t", "\r"))


@dataclass(frozen=True)
class File:
    """The events of a file, each id once, in the order of ``seq``."""

    kind: ClassVar[str] = "file"
    path: Path
    as_of: int | None = None

    def identity(self) -> list[Any]:
        try:
            state = self.path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        where = str(self.path.resolve())
        return [self.kind, where, state.st_size, state.st_mtime_ns, self.as_of]

    def pin(self) -> int:
        return MAX_SEQ if self.as_of is None else self.as_of

    def rows(self, *, after: int, as_of: int) -> Iterator[Row]:
        rows = self._read() if self._is_ascending() else self._sorted()
        for row in rows:
            if after < row["seq"] <= as_of:
                yield row

    def _is_ascending(self) -> bool:
        """Whether every event comes after the one before it, and no id twice."""
        seen: set[str] = set()
        last = -1
        for row in self._read():
            if row["seq"] <= last or row["event_id"] in seen:
                return False
            last = row["seq"]
            seen.add(row["event_id"])
        return True

    def _sorted(self) -> Iterator[Row]:
        lines = sorted((row["seq"], row["event_id"], line_of(row)) for row in self._read())
        seen: set[str] = set()
        for _seq, event_id, line in lines:
            if event_id not in seen:
                seen.add(event_id)
                yield msgspec.json.decode(line)

    def _read(self) -> Iterator[Row]:
        try:
            with self.path.open("rb") as file:
                magic = file.read(4)
            events = _parquet(self.path) if magic == b"PAR1" else self._text(magic)
            for number, event in enumerate(events, start=1):
                yield canonical({"seq": number, **_without_null(event, "seq")})
        except (
            OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, csv.Error,
            msgspec.MsgspecError, RecursionError, zlib.error,
        ) as error:  # fmt: skip
            raise self._unreadable(error) from error

    def _text(self, magic: bytes) -> Iterator[Any]:
        with _opened(self.path, packed=magic[:2] == b"\x1f\x8b") as stream:
            first = stream.readline()
            lines = chain((first.removeprefix(codecs.BOM_UTF8),), stream)
            yield from (_ndjson if _is_json(first) else _csv)(lines)

    def _unreadable(self, error: Exception) -> SnapshotError:
        return SnapshotError(
            _("%(path)s is not a file of exported events: %(error)r.")
            % {"path": self.path, "error": error}
        )


def _without_null(event: Any, name: str) -> Any:
    if event.get(name) in (None, ""):
        return {key: value for key, value in event.items() if key != name}
    return event


@contextmanager
def _opened(path: Path, *, packed: bool) -> Iterator[IO[bytes]]:
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        yield stream  # type: ignore[misc]


def _is_json(line: bytes) -> bool:
    return line.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"


def _ndjson(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        if not line.strip():
            continue
        event = msgspec.json.decode(line)
        page = event.get("events")
        if isinstance(page, list) and "event_id" not in event:  # a saved page of the export
            yield from page
        else:
            yield event


def _csv(lines: Iterable[bytes]) -> Iterator[Any]:
    limit = csv.field_size_limit(_MAX_CELL)
    try:
        reader = csv.DictReader(line.decode() for line in lines)
        if "event_id" not in (reader.fieldnames or ()):
            raise ValueError("neither JSON nor CSV with a column event_id")
        for cells in reader:
            event: dict[str, Any] = {
                name: cell[1:] if cell.startswith(_DEFUSED) else cell
                for name, cell in cells.items()
                if name and cell
            }
            if "payload" in event:
                event["payload"] = msgspec.json.decode(event["payload"])
            yield event
    finally:
        csv.field_size_limit(limit)


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    wanted = {
        "seq", "event_id", "event_type", "event_ts", "effective_ts", "user_id", "session_id",
        "model_version", "payload",
    }  # fmt: skip
    try:
        with parquet.ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if name in wanted]
            for batch in file.iter_batches(batch_size=BATCH, columns=columns):
                yield from map(_event_of, batch.to_pylist())
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error


def _event_of(cells: dict[str, Any]) -> dict[str, Any]:
    """A row of a Parquet file as an event: JSON text decoded, numbers of times as they are."""
    event = {name: value for name, value in cells.items() if value is not None}
    if isinstance(event.get("payload"), str | bytes):
        event["payload"] = msgspec.json.decode(event["payload"])
    for name in ("event_ts", "effective_ts"):
        if name in event and not isinstance(event[name], str | datetime):
            raise TypeError(f"{name} is no time: {json.dumps(str(event[name]))}")
    return event
