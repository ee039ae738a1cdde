"""Snapshots: the same bytes from the database, from a file, from anywhere; whole, and resumed."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pyarrow
import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from pyarrow import parquet

from telemetry.models import GameEvent
from telemetry.training import snapshot, trials
from telemetry.training.files import File
from telemetry.training.snapshot import Snapshot
from telemetry.training.sources import Database, Row, SnapshotError, Source, canonical, line_of
from tests.telemetry.planted import exported, population, write_ndjson
from tests.telemetry.server import ROOT

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
        session_id=row.get("session_id") or "",
        model_version=row.get("model_version") or "",
        raw=json.dumps({name: value for name, value in row.items() if name not in server}),
    )


def take(source: Source, directory: Path) -> Snapshot:
    return snapshot.take(source, directory=directory, work=directory / ".rows")


def of_file(rows: list[dict[str, Any]], directory: Path) -> Snapshot:
    directory.mkdir(exist_ok=True)
    return take(File(write_ndjson(rows, directory / "events.ndjson")), directory / "snapshots")


def test_snapshot_is_canonical_rows_with_a_manifest(tmp_path: Path) -> None:
    made = of_file([event(1, level=3, flags="x"), event(2, event_type="session_end")], tmp_path)
    line = (
        b'{"effective_ts":"2026-02-17T12:00:00.000000+00:00","event_id":"e1",'
        b'"event_type":"task_result","payload":{"correct":true,"rt_ms":500},"seq":1,"user_id":"u"}\n'
    )
    other = line.replace(b"e1", b"e2").replace(b"task_result", b"session_end")
    whole = line + other.replace(b'"seq":1', b'"seq":2')
    assert made.sha256 == hashlib.sha256(whole).hexdigest()
    assert (made.rows, made.as_of, made.directory.name) == (2, 2, made.sha256)
    assert sorted(path.name for path in made.directory.iterdir()) == [
        "events.parquet",
        "manifest.json",
    ]
    assert [path.name for path in made.directory.parent.iterdir()] == [made.sha256]
    written = json.loads((made.directory / "manifest.json").read_bytes())
    assert written == made.manifest
    data = made.path.read_bytes()
    assert written == {
        "format": 1,
        "sha256": made.sha256,
        "rows": 2,
        "trials": 1,
        "as_of": 2,
        "rule_version": snapshot.RULE_VERSION,
        "source": "file",
        "first_ts": "2026-02-17T12:00:00.000000+00:00",
        "last_ts": "2026-02-17T12:00:00.000000+00:00",
        "schema": written["schema"],
        "row_group": snapshot.ROW_GROUP,
        "file": {
            "name": "events.parquet",
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "writer": written["file"]["writer"],
        },
    }
    assert list(written["schema"]) == sorted(written["schema"])


def test_columns_are_typed_and_trials_are_marked(tmp_path: Path) -> None:
    rows = [
        event(1, payload={"correct": True, "rt_ms": 500, "item_id": 7, "task_type": "stroop"}),
        event(2, payload={"correct": False, "rt_ms": -1}),
        event(3, payload={"correct": "yes", "rt_ms": 1}, model_version="m"),
    ]
    table = parquet.read_table(of_file(rows, tmp_path).path)
    assert table.column("effective_ts").type == pyarrow.timestamp("us", tz="UTC")
    names = ["seq", "trial", "correct", "rt_ms", "task_type", "item_id", "model_version"]
    assert [tuple(row.values()) for row in table.select(names).to_pylist()] == [
        (1, True, True, 500.0, "stroop", "7", None),
        (2, True, False, None, "default", None, None),
        (3, False, None, None, None, None, "m"),
    ]


# What of the rule of version 1 a manifest promises; another answer is another version.
RULE_1: list[tuple[dict[str, Any] | None, bool | None]] = [
    ({"correct": True, "rt_ms": 1}, True),
    ({"correct": False, "rt_ms": 1}, False),
    ({"correct": True, "rt_ms": None}, False),
    ({"correct": True, "rt_ms": -1}, False),
    ({"correct": True, "rt_ms": 0}, True),
    ({"correct": True, "rt_ms": 86_400_001}, None),
    ({"correct": True, "rt_ms": True}, None),
    ({"correct": 1, "rt_ms": 1}, None),
    ({"correct": True}, None),
    ({}, None),
    (None, None),
]


def test_rule_of_version_1(tmp_path: Path) -> None:
    rows = [event(n, payload=payload) for n, (payload, _) in enumerate(RULE_1, start=1)]
    for row, (_, solved) in zip(rows, RULE_1, strict=True):
        found = trials.load(of_file([row], tmp_path))
        assert found.solved.tolist() == ([] if solved is None else [solved]), row["payload"]
    assert snapshot.RULE_VERSION == 1


def test_order_and_repeats_of_the_file_do_not_matter(tmp_path: Path) -> None:
    rows = exported(population(players=3, trials=30))
    plain = of_file(rows, tmp_path)
    shuffled = [*rows, *rows[:10]]
    random.Random(1).shuffle(shuffled)
    assert of_file(shuffled, tmp_path) == plain


def in_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    """As an export would write it: payloads as JSON text."""
    names = ["seq", "event_id", "event_type", "event_ts", "effective_ts", "user_id", "session_id",
             "model_version", "payload"]  # fmt: skip
    cells = [
        {name: json.dumps(row[name]) if name == "payload" else row.get(name) for name in names}
        for row in rows
    ]
    parquet.write_table(pyarrow.Table.from_pylist(cells), path)


def answered(form: str) -> bytes:
    """The whole export of this server."""

    async def get() -> bytes:
        url = f"/v1/export/raw?format={form}"
        answer = await AsyncClient().get(url, headers={"X-API-Key": "dev-key-change-me"})
        assert answer.status_code == 200
        return b"".join([piece async for piece in answer])

    return async_to_sync(get)()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["ndjson", "csv", "csv.gz"])
def test_export_of_this_server_is_a_source(tmp_path: Path, form: str) -> None:
    rows = exported(population(players=3, trials=30))
    rows[0] |= {"user_id": "=1+1", "payload": {"кот": "🐈\n,", "big": 2**60, "small": 1.5e-7}}
    GameEvent.objects.bulk_create(stored(row) for row in rows)
    data = answered(form.removesuffix(".gz"))
    path = tmp_path / "export"
    path.write_bytes(gzip.compress(data) if form.endswith("gz") else data)
    made = take(File(path), tmp_path / "s")
    assert made.path.read_bytes() == of_file(rows, tmp_path / "f").path.read_bytes()


@pytest.mark.parametrize("form", ["ndjson", "gz", "parquet", "pages", "snapshot"])
def test_form_of_the_file_does_not_matter(tmp_path: Path, form: str) -> None:
    rows = exported(population(players=3, trials=30))
    rows[0] |= {"user_id": "=1+1", "payload": {"кот": "🐈\n,", "big": 2**60, "small": 1.5e-7}}
    plain = of_file(rows, tmp_path)
    path = tmp_path / "other"
    if form == "ndjson":
        path.write_bytes(b"\n".join(line_of(row) for row in rows))
    elif form == "gz":
        path.write_bytes(gzip.compress((tmp_path / "events.ndjson").read_bytes()))
    elif form == "parquet":
        in_parquet(rows, path)
    elif form == "pages":
        pages = [{"ok": True, "events": rows[:50]}, {"ok": True, "events": rows[50:]}]
        path.write_text("\n".join(map(json.dumps, pages)))
    else:
        path = plain.path
    other = take(File(path), tmp_path / "others")
    assert other.sha256 == plain.sha256
    assert other.path.read_bytes() == plain.path.read_bytes()


@pytest.mark.django_db
def test_database_and_file_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.training.sources.DATABASE_PAGE", 17)
    rows = exported(population(players=3, trials=30))
    rows[0]["session_id"] = None
    rows[1]["payload"] = {"text": "кот 🐈", "big": 2**60, "small": 1.5e-7}
    GameEvent.objects.bulk_create(stored(row) for row in rows)
    from_file = of_file(rows, tmp_path)
    from_database = take(Database(), tmp_path / "d")
    assert from_database.sha256 == from_file.sha256
    assert from_database.path.read_bytes() == from_file.path.read_bytes()
    assert from_database.manifest["source"] == "database"


@pytest.mark.django_db
def test_as_of_bounds_every_source(tmp_path: Path) -> None:
    rows = [event(seq) for seq in range(1, 8)]
    GameEvent.objects.bulk_create(stored(row) for row in rows)
    path = write_ndjson(rows, tmp_path / "e")
    for number, source in enumerate((Database(as_of=4), File(path, as_of=4))):
        made = take(source, tmp_path / str(number))
        assert (made.rows, made.as_of) == (4, 4)


@pytest.mark.django_db
def test_events_that_arrive_during_the_snapshot_are_not_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("telemetry.training.sources.DATABASE_PAGE", 2)
    GameEvent.objects.bulk_create(stored(event(seq)) for seq in range(1, 5))
    source = Database()
    rows = source.rows(after=-1, as_of=source.pin())
    seen = [next(rows)["seq"]]
    GameEvent.objects.bulk_create(stored(event(seq)) for seq in range(5, 9))
    assert seen + [row["seq"] for row in rows] == [1, 2, 3, 4]


def test_empty_source_is_an_empty_snapshot(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("event_id,seq\n")
    made = take(File(tmp_path / "e.csv"), tmp_path / "s")
    assert (made.rows, made.as_of, made.sha256) == (0, 0, hashlib.sha256(b"").hexdigest())
    assert len(trials.load(made)) == 0


def test_events_without_seq_get_their_place(tmp_path: Path) -> None:
    rows = [{k: v for k, v in event(n).items() if k not in ("seq", "effective_ts")} for n in (5, 3)]
    source = File(write_ndjson(rows, tmp_path / "e"))
    found = source.rows(after=-1, as_of=source.pin())
    assert [(row["seq"], row["event_id"]) for row in found] == [(1, "e5"), (2, "e3")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b"[1]\n",
        b'{"seq": 1}\n',
        b'{"seq": "x", "event_id": "e", "event_ts": "2026"}\n',
        b'{"seq": -1, "event_id": "e", "event_type": "t", "user_id": "u", "event_ts": "2026-01-01"}',
        json.dumps(event(1, user_id=5)).encode(),
        json.dumps(event(1, payload="text")).encode(),
        json.dumps(event(2**63)).encode(),
        b'{"event_id": "' + b"\xff" + b'"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\x1f\x8bgarbage",
        gzip.compress(json.dumps(event(1)).encode())[:-9],
        b"PAR1garbage",
        b"event_id,payload\ne1,{\n",
        b"user_id,payload\nu,{}\n",
    ],
)
def test_file_that_is_no_export_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "e"
    path.write_bytes(data)
    with pytest.raises(SnapshotError, match="is not a file of exported events"):
        take(File(path), tmp_path / "s")
    assert not list((tmp_path / "s").glob("*"))[1:]  # parts at most


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError):
        File(tmp_path / "nothing").identity()


def test_same_content_is_kept_once_and_a_changed_file_is_noticed(tmp_path: Path) -> None:
    rows = [event(seq) for seq in range(1, 4)]
    made = of_file(rows, tmp_path)
    stamp = made.path.stat().st_mtime_ns
    assert of_file(rows, tmp_path) == made
    assert made.path.stat().st_mtime_ns == stamp
    data = made.path.read_bytes()
    made.path.write_bytes(data[:-1] + b"x")
    with pytest.raises(SnapshotError, match="has changed"):
        snapshot.load(made.directory)
    assert of_file(rows, tmp_path) == made  # and is mended by another snapshot
    assert made.path.read_bytes() == data
    (made.directory / "manifest.json").write_text("{}")
    with pytest.raises(SnapshotError, match="is no snapshot"):
        snapshot.load(made.directory)


# Interruptions ---------------------------------------------------------------------------------------


class Failing:
    """Rows 1..10, of which each call gives a few before it fails."""

    kind: ClassVar[str] = "export"

    def __init__(self, bounds: list[int]) -> None:
        self.bounds = bounds
        self.asked: list[int] = []

    def identity(self) -> list[Any]:
        return []

    def pin(self) -> int:
        return 10

    def rows(self, *, after: int, as_of: int) -> Iterator[Row]:
        self.asked.append(after)
        bound = self.bounds.pop(0)
        for seq in range(max(after, 0) + 1, as_of + 1):
            if seq > bound:
                raise SnapshotError("cut")
            yield canonical(event(seq))


def test_interrupted_snapshot_goes_on_after_its_last_whole_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "ROW_GROUP", 3)
    source = Failing([4, 5, 7, 10])
    for _ in range(3):
        with pytest.raises(SnapshotError, match="cut"):
            take(source, tmp_path / "s")
    made = take(source, tmp_path / "s")
    assert source.asked == [-1, 3, 3, 6]
    whole = of_file([event(seq) for seq in range(1, 11)], tmp_path)
    assert made.path.read_bytes() == whole.path.read_bytes()
    assert parquet.ParquetFile(made.path).num_row_groups == 4


def test_whole_parts_are_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "ROW_GROUP", 5)
    source = Failing([10, 10])
    seen: list[int] = []
    for _ in range(2):
        snapshot.collect(source, work=tmp_path, as_of=10, progress=seen.append)
    assert source.asked == [-1]
    assert seen == [10, 10]


PACK = """
import django
django.setup()
import sys
from pathlib import Path
from telemetry.training import snapshot
from telemetry.training.files import File
made = snapshot.take(File(Path(sys.argv[1])), directory=Path(sys.argv[2]), work=Path(sys.argv[3]))
print(made.manifest["file"]["sha256"])
"""


@pytest.mark.parametrize("variables", [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "OMP_NUM_THREADS": "7", "LANG": "C"}])  # fmt: skip
def test_bytes_do_not_depend_on_the_process(tmp_path: Path, variables: dict[str, str]) -> None:
    rows = exported(population(players=3, trials=30))
    made = of_file(rows, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PACK, str(tmp_path / "events.ndjson"), str(tmp_path / "p"), str(tmp_path / "w")],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", **variables},
    )  # fmt: skip
    assert done.stdout.strip() == made.manifest["file"]["sha256"]
