"""The peer of ingest: `POST /v1/events` as FastAPI, pydantic and sqlite3 would have it.

The same durability (WAL, synchronous=FULL, one commit for each request, answered after it), the
same table with the same indexes, the same checks of the key, the sizes and every event's fields,
quarantine and deduplication. It keeps no standings, no conflicts and no model versions,
and does not look for numbers and characters that cannot be stored: it has less to do.

    NEUROGAME_API_KEY=... PEER_DB=... python -m uvicorn tests.benchmarks.ingest_peer:app
"""

from __future__ import annotations

import hmac
import json
import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tests.benchmarks.schema import INSERT, open_database

MAX_BODY, MAX_EVENTS, MAX_EVENT = 1 << 20, 500, 32 << 10
QUARANTINE = "INSERT INTO quarantine (position, reason, raw) VALUES (?, ?, ?)"

app = FastAPI()
key = os.environ.get("NEUROGAME_API_KEY", "")
local = threading.local()
one_writer = threading.Lock()  # faster than to let connections wait for SQLite's lock


class Event(BaseModel):
    model_config = ConfigDict(extra="allow")

    event_id: str = Field(min_length=1, max_length=128)
    event_type: str = Field(min_length=1, max_length=64)
    event_ts: datetime
    user_id: str = Field(min_length=1, max_length=128)
    session_id: str | None = Field(default=None, max_length=128)
    model_version: str | None = Field(default=None, max_length=128)
    payload: dict[str, Any] = {}


class Envelope(BaseModel):
    api_key: str = ""
    client_version: str = ""
    events: list[Any]


@app.post("/v1/events")
async def events(request: Request) -> Response:
    body = await request.body()
    if len(body) > MAX_BODY:
        return Response(status_code=413)
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError:
        return Response(status_code=400)
    given = request.headers.get("x-api-key", "") or envelope.api_key
    if not hmac.compare_digest(given.encode(), key.encode()):
        return Response(status_code=401)
    if len(envelope.events) > MAX_EVENTS:
        return Response(status_code=413)
    accepted, duplicate, rejected = await run_in_threadpool(store, envelope)
    headers = {
        "X-Neurogame-Accepted": str(accepted),
        "X-Neurogame-Duplicate": str(duplicate),
        "X-Neurogame-Rejected": str(rejected),
    }
    return Response(b'{"ok": true}', media_type="application/json", headers=headers)


def store(envelope: Envelope) -> tuple[int, int, int]:
    """Validate, insert and commit: (accepted, duplicate, rejected)."""
    now = datetime.now(UTC)
    rows: list[tuple[Any, ...]] = []
    refused: list[tuple[int, str, str]] = []
    for position, given in enumerate(envelope.events):
        raw = json.dumps(given, separators=(",", ":"))
        try:
            if len(raw) > MAX_EVENT:
                raise ValueError("too large")
            event = Event.model_validate(given)
        except ValueError as error:
            refused.append((position, str(error)[:500], raw))
            continue
        rows.append(row_of(event, raw, now, envelope.client_version))
    connection = database()
    with one_writer:
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = connection.total_changes
            connection.executemany(INSERT, rows)
            inserted = connection.total_changes - before
            connection.executemany(QUARANTINE, refused)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return inserted, len(rows) - inserted, len(refused)


def row_of(event: Event, raw: str, now: datetime, client_version: str) -> tuple[Any, ...]:
    naive = event.event_ts.tzinfo is None
    moment = event.event_ts.replace(tzinfo=UTC) if naive else event.event_ts.astimezone(UTC)
    ahead = moment > now + timedelta(minutes=5)
    flags = ",".join(word for word, on in (("naive_ts", naive), ("clock_ahead", ahead)) if on)
    return (
        event.event_id, event.event_type, moment.isoformat(" "),
        (now if ahead else moment).isoformat(" "), now.isoformat(" "), event.user_id,
        event.session_id or "", event.model_version or "", client_version, flags,
        raw,
    )  # fmt: skip


def database() -> sqlite3.Connection:
    """This thread's connection."""
    connection: sqlite3.Connection | None = getattr(local, "connection", None)
    if connection is None:
        connection = local.connection = open_database(os.environ["PEER_DB"])
    return connection
