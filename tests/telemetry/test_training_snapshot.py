"""Snapshots: the same bytes from the database, from a file, from anywhere; and trials in order."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from telemetry.models import GameEvent
from telemetry.training import snapshot
from tests.telemetry.planted import exported, population, write_ndjson

NOON = "2026-02-17T12:00:00Z"


def event(seq: int, **fields: Any) -> dict[str, Any]:
    row = {
        "seq": seq,
        "event_id": f"e{seq}",
        "event_type": "task_result",
        "event_ts": NOON,
        "effective_ts": NOON,
        "user_id": "u",
        "payload": {"correct": True, "rt_ms": 500},
    }
    return {**row, **fields}


def stored(row: dict[str, Any]) -> GameEvent:
    """The row that ingest would have written for an exported event."""
    server = {"seq", "received_at", "effective_ts", "client_version", "flags"}
    moment = datetime.fromisoformat(row["effective_ts"])
    return GameEvent(
        seq=row["seq"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        event_ts=moment,
        effective_ts=moment,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
        user_id=row["user_id"],
        raw=json.dumps({name: value for name, value in row.items() if name not in server}),
    )


def test_written_file_is_canonical(tmp_path: Path) -> None:
    rows = list(snapshot.from_file(write_ndjson([event(1, level=3, flags="x")], tmp_path / "e")))
    made = snapshot.write(rows, tmp_path / "s")
    line = (
        b'{"effective_ts":"2026-02-17T12:00:00.000000+00:00","event_id":"e1",'
        b'"event_type":"task_result","payload":{"correct":true,"rt_ms":500},"seq":1,"user_id":"u"}\n'
    )
    assert gzip.decompress(made.path.read_bytes()) == line
    assert made.sha256 == hashlib.sha256(line).hexdigest()
    assert (made.rows, made.as_of, made.path.name) == (1, 1, f"{made.sha256}.ndjson.gz")
    assert [path.name for path in (tmp_path / "s").iterdir()] == [made.path.name]


def test_order_compression_and_repeats_of_the_source_do_not_matter(tmp_path: Path) -> None:
    rows = exported(population(players=3, trials=30))
    plain = snapshot.write(snapshot.from_file(write_ndjson(rows, tmp_path / "a")), tmp_path)
    shuffled = [*rows, *rows[:10]]
    random.Random(1).shuffle(shuffled)
    packed = tmp_path / "b.gz"
    packed.write_bytes(gzip.compress(write_ndjson(shuffled, tmp_path / "b").read_bytes()))
    assert snapshot.write(snapshot.from_file(packed), tmp_path) == plain
    assert snapshot.write(snapshot.from_file(plain.path), tmp_path) == plain


@pytest.mark.django_db
def test_database_and_file_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE", 17)
    rows = exported(population(players=3, trials=30))
    rows[0]["session_id"] = None
    rows[1]["payload"] = {"text": "кот 🐈", "big": 2**60, "small": 1.5e-7}
    GameEvent.objects.bulk_create(stored(row) for row in rows)
    from_file = snapshot.write(
        snapshot.from_file(write_ndjson(rows, tmp_path / "e")), tmp_path / "f"
    )
    from_database = snapshot.write(snapshot.from_database(), tmp_path / "d")
    assert from_database.sha256 == from_file.sha256
    assert from_database.path.read_bytes() == from_file.path.read_bytes()


@pytest.mark.django_db
def test_as_of_bounds_every_source(tmp_path: Path) -> None:
    rows = [event(seq) for seq in range(1, 8)]
    GameEvent.objects.bulk_create(stored(row) for row in rows)
    path = write_ndjson(rows, tmp_path / "e")
    assert [row["seq"] for row in snapshot.from_database(as_of=4)] == [1, 2, 3, 4]
    assert [row["seq"] for row in snapshot.from_file(path, as_of=4)] == [1, 2, 3, 4]


@pytest.mark.django_db
def test_events_that_arrive_during_the_snapshot_are_not_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot, "PAGE", 2)
    GameEvent.objects.bulk_create(stored(event(seq)) for seq in range(1, 5))
    rows = snapshot.from_database()
    seen = [next(rows)["seq"]]
    GameEvent.objects.bulk_create(stored(event(seq)) for seq in range(5, 9))
    assert seen + [row["seq"] for row in rows] == [1, 2, 3, 4]


def test_trials_come_in_the_order_of_play(tmp_path: Path) -> None:
    rows = [
        event(1, effective_ts="2026-02-17T12:00:02Z", payload={"correct": True, "rt_ms": 3}),
        event(2, effective_ts="2026-02-17T15:00:01+03:00", payload={"correct": True, "rt_ms": 1}),
        event(3, effective_ts="2026-02-17T12:00:01Z", payload={"correct": False, "rt_ms": None}),
        event(4, payload={"correct": "yes", "rt_ms": 1}),
        event(5, event_type="session_start"),
        event(6, payload={}),
    ]
    made = snapshot.write(snapshot.from_file(write_ndjson(rows, tmp_path / "e")), tmp_path)
    assert [one.rt_ms for one in snapshot.trials(made)] == [1, None, 3]


def test_events_without_seq_get_their_line(tmp_path: Path) -> None:
    rows = [{k: v for k, v in event(n).items() if k not in ("seq", "effective_ts")} for n in (5, 3)]
    found = list(snapshot.from_file(write_ndjson(rows, tmp_path / "e")))
    assert [(row["seq"], row["event_id"]) for row in found] == [(1, "e5"), (2, "e3")]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[1]\n",
        '{"seq": 1}\n',
        '{"seq": "x", "event_id": "e", "event_ts": "2026"}\n',
        "\x1f\x8bgarbage",
    ],
)
def test_file_that_is_no_export_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(snapshot.SnapshotError, match="is not a file of exported events"):
        list(snapshot.from_file(path))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(snapshot.SnapshotError):
        list(snapshot.from_file(tmp_path / "nothing"))


def test_nothing_is_left_when_the_source_fails(tmp_path: Path) -> None:
    path = write_ndjson([event(1), {"seq": 2}], tmp_path / "e")
    with pytest.raises(snapshot.SnapshotError):
        snapshot.write(snapshot.from_file(path), tmp_path / "s")
    assert list((tmp_path / "s").iterdir()) == []
