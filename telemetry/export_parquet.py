"""The export as Parquet: typed columns, written row group by row group in flat memory.

Importing this module imports pyarrow; nothing else of the product does.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.columns import EVENTS
from telemetry.export import SERVER_FIELDS, Row
from telemetry.export_formats import Writer
from telemetry.export_source import Source

GROUP_ROWS = 50_000
GROUP_BYTES = 8 << 20  # of text as sent, whichever comes first
MOMENT = pa.timestamp("us", tz="UTC")
TYPES = {
    "int64": pa.int64(),
    "string": pa.string(),
    "string, JSON text": pa.string(),
    "timestamp[us, tz=UTC]": MOMENT,
    "list<element: string not null>": pa.list_(pa.field("element", pa.string(), nullable=False)),
}
SCHEMA = pa.schema(
    pa.field(column.name, TYPES[column.types["parquet"]], nullable=column.nullable)
    for column in EVENTS.of("parquet")
)
OWN = frozenset({*SCHEMA.names, *SERVER_FIELDS} - {"extra"})
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Pipe:
    """A file that pyarrow writes and that is emptied after every row group."""

    closed = False

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        return len(self.parts[-1])

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def drain(self) -> bytes:
        data = b"".join(self.parts)
        self.parts.clear()
        return data


class ParquetWriter(Writer):
    """Parquet with zstd inside; gzip over it would only cost time."""

    def __init__(self, source: Source, *, limit: int | None = None) -> None:
        super().__init__(source, limit=limit)
        self.pipe = _Pipe()
        as_of = str(source.selection.as_of)
        schema = SCHEMA.with_metadata({"neurogame.as_of": as_of})
        self.file = pq.ParquetWriter(pa.PythonFile(self.pipe, mode="w"), schema, compression="zstd")

    def begin(self) -> bytes:
        return self.pipe.drain()

    def page(self) -> bytes | None:
        group: list[Any] = []
        rows = size = 0
        while rows < GROUP_ROWS and size < GROUP_BYTES and (page := self._rows()):
            group.append(table_of(page))
            rows += len(page)
            size += sum(len(row.raw) for row in page)
        if not group:
            return None
        self.file.write_table(pa.concat_tables(group), row_group_size=GROUP_ROWS)
        return self.pipe.drain()

    def end(self) -> bytes:
        self.file.close()
        return self.pipe.drain()


def table_of(rows: list[Row]) -> Any:
    """Rows as a pyarrow table of `SCHEMA`."""
    (
        seqs, raws, received, effective, versions, flags, ids, types, sent_at, users, sessions,
        models,
    ) = zip(*rows, strict=True)  # fmt: skip
    payloads, extras = zip(*map(_payload_and_extra, raws), strict=True)
    columns = {
        "seq": seqs,
        "event_id": ids,
        "event_type": types,
        "event_ts": pa.array(sent_at, pa.string()).cast(MOMENT),
        "effective_ts": pa.array(effective, pa.string()).cast(MOMENT),
        "received_at": pa.array(received, pa.string()).cast(MOMENT),
        "user_id": users,
        "session_id": [text or None for text in sessions],
        "model_version": [text or None for text in models],
        "client_version": versions,
        "flags": [[word for word in text.split(",") if word] for text in flags],
        "payload": payloads,
        "extra": extras,
    }
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field in SCHEMA
        for column in [columns[field.name]]
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _payload_and_extra(raw: str) -> tuple[str | None, str | None]:
    """The payload as JSON as sent, and the fields that have no column; None for none."""
    fields = _fields.decode(raw)
    payload = bytes(fields.get("payload", b"null")).decode()
    extra = {name: value for name, value in fields.items() if name not in OWN}
    return (
        None if payload == "null" else payload,
        msgspec.json.encode(extra).decode() if extra else None,
    )
