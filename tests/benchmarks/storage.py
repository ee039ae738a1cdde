"""What an event costs on disk with every index, and how fast old events are deleted.

The figures that the plan for ten billion events in telemetry/README.md multiplies. On SQLite, and
on PostgreSQL where it is installed. The peer of a stored event is its JSON as it was sent; of a
deletion, the same batches deleted without tombstones.

`python -m tests.benchmarks.storage EVENTS` does it on the database of its environment and prints
JSON; `make bench ARGS="--only storage"` runs it on fresh ones.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import ROOT
from tests.telemetry.server import ServerProcess

BATCH = 500
DAYS = 30
PLAYERS = 2000


def measure(folder: Path, *, events: int) -> Iterator[Figure]:
    given = os.environ.pop("NEUROGAME_TEST_POSTGRES", "")
    try:
        for name, cluster in (("SQLite", ""), ("PostgreSQL", given)):
            if name == "PostgreSQL" and not cluster:
                continue
            if cluster:
                os.environ["NEUROGAME_TEST_POSTGRES"] = cluster
            place = folder / f"storage-{name}"
            place.mkdir()
            yield from _figures(name, _measured(place, events))
    finally:
        if given:
            os.environ["NEUROGAME_TEST_POSTGRES"] = given


def _measured(folder: Path, events: int) -> dict[str, Any]:
    server = ServerProcess(folder, DEBUG="1")
    try:
        server.migrate()
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.storage", str(events)],
            cwd=ROOT, env=server.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    finally:
        server.close()


def _figures(name: str, found: dict[str, Any]) -> Iterator[Figure]:
    sent = [found["sent"]]
    whole = sum(found["sizes"].values())
    yield Figure(
        f"storage, {name}, an event with its indexes", "bytes", [whole], "JSON as sent", sent, False
    )
    for part, size in found["sizes"].items():
        yield Figure(f"storage, {name}, of it {part}", "bytes", [size], "JSON as sent", sent, False)
    yield Figure(
        f"storage, {name}, a tombstone", "bytes", [found["tombstone"]], "JSON as sent", sent, False
    )
    yield Figure(
        f"storage, {name}, events written by one process", "events/s", [found["written"]],
        "the same with tombstones to look through", [found["written_with_tombstones"]], True,
    )  # fmt: skip
    yield Figure(
        f"storage, {name}, old events deleted", "events/s", [found["deleted"]],
        "bare DELETE", [found["deleted_bare"]], True,
    )  # fmt: skip


# --- In a process of its own --------------------------------------------------------------------


def raw_events(count: int, start: int) -> Iterator[bytes]:
    """What the client sends, as bytes: a UUIDv7 each, microseconds, a payload of five fields."""
    from telemetry.client import uuid7

    chance = random.Random(start)
    for number in range(count):
        player = chance.randrange(PLAYERS)
        moment = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=(start + number) % 86_400)
        moment += timedelta(days=(start + number) % DAYS, microseconds=chance.randrange(10**6))
        event = {
            "event_id": uuid7(),
            "event_type": "task_result",
            "event_ts": moment.isoformat().replace("+00:00", "Z"),
            "user_id": f"u_{player:06}",
            "session_id": f"s_{moment:%Y%m%d}_{chance.randrange(10**6):06}_u_{player:06}",
            "model_version": "baseline_v1",
            "payload": {
                "task_type": chance.choice(["stroop", "n_back", "go_no_go"]),
                "item_id": f"i{chance.randrange(60)}",
                "difficulty": round(chance.gauss(0, 1), 3),
                "correct": chance.random() < 0.8,
                "rt_ms": round(chance.lognormvariate(6.6, 0.35)),
            },
        }
        yield json.dumps(event, separators=(",", ":")).encode()


def fill(count: int, start: int) -> tuple[float, int]:
    """(seconds, bytes of JSON) of writing so many events through the writer."""
    from django.utils import timezone

    from telemetry.ingest import Batch, Writer
    from telemetry.wire import read_event

    writer, total, seconds = Writer(), 0, 0.0
    for first in range(0, count, BATCH * 10):
        futures = []
        raws = list(raw_events(min(BATCH * 10, count - first), start + first))
        total += sum(map(len, raws))
        began = time.perf_counter()
        for part in range(0, len(raws), BATCH):
            now = timezone.now()
            parsed = [read_event(raw, n, now) for n, raw in enumerate(raws[part : part + BATCH])]
            futures.append(writer.submit(Batch(parsed, now, "1.0.0")))
        for future in futures:
            future.result(120)
        seconds += time.perf_counter() - began
    writer.close()
    return seconds, total


def sizes(table: str) -> dict[str, int]:
    """Bytes of a table and of each of its indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute(
                "SELECT indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes "
                "WHERE relname = %s",
                [table],
            )
            found = dict(cursor.fetchall())
            cursor.execute("SELECT pg_table_size(%s)", [table])
            return {"the rows": cursor.fetchone()[0], **found}
        cursor.execute(
            "SELECT s.name, SUM(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name "
            "WHERE m.tbl_name = %s GROUP BY s.name",
            [table],
        )
        return {"the rows" if name == table else name: size for name, size in cursor.fetchall()}


def delete_bare(count: int) -> float:
    """Events a second of deleting in the same batches, and nothing else."""
    from django.db import connection, transaction

    from telemetry import retention

    began = time.perf_counter()
    for _start in range(0, count, retention.BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM telemetry_gameevent WHERE seq IN (SELECT seq FROM telemetry_gameevent "
                "ORDER BY received_at, seq LIMIT %s)",
                [retention.BATCH],
            )
    return count / (time.perf_counter() - began)


def main(events: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.utils import timezone

    from telemetry import retention
    from telemetry.retention import Scope

    seconds, total = fill(events, 0)
    event_sizes = sizes("telemetry_gameevent")
    part = max(retention.BATCH, events // 5)
    bare = delete_bare(part)
    began = time.perf_counter()
    pruned = retention.prune(Scope(before=timezone.now()), pause_s=0).events
    deleted = pruned / (time.perf_counter() - began)
    tombstone_sizes = sizes("telemetry_tombstone")
    again, _total = fill(part, events)
    return {
        "sent": total / events,
        "sizes": {name: size / events for name, size in sorted(event_sizes.items())},
        "written": events / seconds,
        "written_with_tombstones": part / again,
        "deleted": deleted,
        "deleted_bare": bare,
        "tombstone": sum(tombstone_sizes.values()) / pruned,
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
