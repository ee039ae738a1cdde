"""The export in the API's schema: parameters, heads, and every column of every format."""

from __future__ import annotations

from typing import Any

from neurogame.dictionary import markdown
from neurogame.schema import describe, parameter
from telemetry.columns import EVENTS
from telemetry.export import SERVER_FIELDS
from telemetry.export_formats import KINDS
from telemetry.schema import EVENT, SECURITY, TEXT, TIME

SEQ = {"type": "integer", "minimum": 0}
_OWN: dict[str, dict[str, Any]] = {
    "seq": {"type": "integer"},
    "received_at": TIME,
    "effective_ts": TIME,
    "client_version": TEXT,
    "flags": {"type": "array", "items": TEXT},
}


def _stored() -> dict[str, Any]:
    """An exported event; each field with the words of the dictionary."""
    fields = {**EVENT["properties"], **_OWN}
    return {
        "type": "object",
        "required": [*EVENT["required"], *SERVER_FIELDS],
        "properties": {
            column.name: {
                **fields[column.name],
                "description": column.meaning,
            }
            for column in EVENTS.of("json")
        },
        "additionalProperties": True,
    }


def _table(form: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The content of a table format: its columns as text and for programs."""
    return {
        "schema": {**schema, "description": f"Columns:\n\n{markdown(EVENTS, form)}"},
        "x-columns": [
            {"name": column.name, "type": column.types[form], "nullable": column.nullable}
            for column in EVENTS.of(form)
        ],
    }


STORED = _stored()
PAGE = {
    "type": "object",
    "required": ["ok", "events", "next_cursor", "total", "as_of"],
    "properties": {
        "ok": {"const": True},
        "events": {"type": "array", "items": STORED},
        "next_cursor": {
            "type": ["integer", "null"],
            "description": "The next `after`; null at the end.",
        },
        "total": {"type": "integer", "description": "How many the filters select."},
        "as_of": {"type": "integer", "description": "The snapshot: the greatest `seq` looked at."},
    },
}
ABOUT = """\
`json` answers one page. `ndjson`, `csv` and `parquet` are streamed whole unless there is a `limit`;
what fails in the middle ends with a broken connection, never with the last chunk. The last whole
line of NDJSON or CSV says in `seq` with which `after` (and the same `as_of`) the rest is had; a
Parquet file that is not complete has no footer and cannot be read.

Everything up to one `seq` is read: `as_of`, or the last one that is stored when the request comes.
The answer says which in `X-Neurogame-As-Of`; the same `as_of` and filters give the same events at
any time. With `Accept-Encoding: gzip` all formats but Parquet, which is compressed inside, come
gzipped. The columns are also explained at `/dictionary/`.
"""

describe(
    "/v1/export/raw",
    "get",
    {
        "operationId": "export_raw",
        "tags": ["v1"],
        "summary": "Raw events in the order of `seq`.",
        "description": ABOUT,
        "security": [*SECURITY, {}],
        "parameters": [
            parameter("api_key", "The key, where no header carries it.", TEXT),
            parameter(
                "limit",
                "Events a page, or in all of a stream; of `json` 1000 where it is absent.",
                {"type": "integer", "minimum": 1, "maximum": 10000},
            ),
            parameter("offset", "Events to leave out.", SEQ),
            parameter("after", "Only events with a greater `seq`.", SEQ),
            parameter(
                "as_of",
                "Only events up to this `seq`: a snapshot. A greater one than is stored counts as "
                "the last that is.",
                SEQ,
            ),
            parameter("since", "Received at or after.", TIME),
            parameter("until", "Received before.", TIME),
            parameter("user_id", "Of one player.", TEXT),
            parameter("event_type", "Of one type.", TEXT),
            parameter("model_version", "Of one model.", TEXT),
            parameter("format", "What is answered.", {"type": "string", "enum": list(KINDS)}),
        ],
        "responses": {
            "200": {
                "description": "A page, or the whole selection",
                "headers": {
                    "X-Neurogame-As-Of": {
                        "description": "The snapshot that was read.",
                        "schema": SEQ,
                    }
                },
                "content": {
                    "application/json": {"schema": PAGE},
                    "application/x-ndjson": {"schema": STORED},
                    "text/csv": _table("csv", TEXT),
                    "application/vnd.apache.parquet": _table(
                        "parquet", {"type": "string", "format": "binary"}
                    ),
                },
            }
        },
    },
)
