"""Snapshots: an immutable, canonical copy of the events that a training run sees.

A snapshot is a folder named by its content: ``events.parquet`` and ``manifest.json``. ``sha256`` is
that of the canonical rows as NDJSON (sorted keys, no white space, in the order of ``seq``), which
depends on no library; the file's own hash stands beside it. Rows hold only what every source knows
the same way (``sources.FIELDS``), so the database, an export and a file give the same bytes.

Rows are first collected in parts of ``ROW_GROUP`` rows each, written whole or not at all, and then
packed into row groups of that size: memory is flat, and what was interrupted goes on after the
last whole part.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from telemetry.training import workspace
from telemetry.training.sources import Row, SnapshotError, Source, line_of
from telemetry.wire import trial_of

# What counts as a trial and which fields it has: `telemetry.wire.trial_of`. Count up with it.
RULE_VERSION = 1
FORMAT = 1
ROW_GROUP = 65_536
REPORT = 4096  # rows between two calls of `progress`
DATA, MANIFEST = "events.parquet", "manifest.json"
_TRIAL_COLUMNS = ("trial", "correct", "rt_ms", "task_type", "item_id")

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Snapshot:
    """Where the rows are, and what identifies them. ``as_of`` is the largest ``seq`` within."""

    directory: Path
    manifest: dict[str, Any]

    @property
    def path(self) -> Path:
        return self.directory / DATA

    @property
    def sha256(self) -> str:
        return str(self.manifest["sha256"])

    @property
    def rows(self) -> int:
        return int(self.manifest["rows"])

    @property
    def as_of(self) -> int:
        return int(self.manifest["as_of"])


def take(
    source: Source,
    *,
    directory: Path,
    work: Path,
    as_of: int | None = None,
    progress: Progress = lambda rows: None,
    packing: Callable[[], object] = lambda: None,
) -> Snapshot:
    """Collect the rows of ``source`` up to ``as_of`` and keep them under ``directory``.

    ``work`` holds the parts; called again after an interruption with the same ``work`` and
    ``as_of``, it goes on after the last whole part. ``progress`` is called with numbers of rows,
    ``packing`` when all are there. Raises ``SnapshotError``; then and when killed, ``directory``
    has no half of a snapshot.
    """
    as_of = source.pin() if as_of is None else as_of
    collect(source, work=work, as_of=as_of, progress=progress)
    packing()
    partial = work.with_name(f".{work.name}.packed")
    snapshot = pack(_parts(work), directory=directory, partial=partial, source=source.kind)
    workspace.remove(work)
    return snapshot


def collect(source: Source, *, work: Path, as_of: int, progress: Progress) -> None:
    """Write the canonical rows of ``source`` as parts in ``work``, after those already there."""
    work.mkdir(parents=True, exist_ok=True)
    done = _parts(work)
    after, number = -1, len(done)
    if done:
        last = _lines(done[-1])
        progress((number - 1) * ROW_GROUP + len(last))
        if len(last) < ROW_GROUP:
            return  # a part that is not full is the end
        after = msgspec.json.decode(last[-1])["seq"]
    lines: list[bytes] = []
    unsaid = 0
    for row in source.rows(after=after, as_of=as_of):
        lines.append(line_of(row))
        unsaid += 1
        if unsaid == REPORT:
            progress(unsaid)
            unsaid = 0
        if len(lines) == ROW_GROUP:
            _write_part(work, number, lines)
            lines, number = [], number + 1
    _write_part(work, number, lines)
    progress(unsaid)


def pack(parts: Iterable[Path], *, directory: Path, partial: Path, source: str) -> Snapshot:
    """One Parquet file of parts, with its manifest, as ``directory/<sha256>/``.

    It is made in ``partial``, which lies on the same disk, and moved when it is whole.
    """
    from pyarrow import parquet

    directory.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    digest = hashlib.sha256()
    rows = trials = last = 0
    times: list[str] = []
    schema = _schema()
    try:
        with parquet.ParquetWriter(
            partial / DATA, schema, version="2.6", compression="zstd", compression_level=3,
            use_dictionary=["event_type", "user_id", "session_id", "model_version", "task_type",
                            "item_id"],
            write_statistics=True, data_page_version="1.0", store_schema=False,
        ) as writer:  # fmt: skip
            for part in parts:
                lines = _lines(part)
                if not lines:
                    continue
                digest.update(b"".join(lines))
                table, moments = _table(lines, schema)
                writer.write_table(table, row_group_size=ROW_GROUP)
                rows += len(lines)
                trials += table.column("trial").to_pylist().count(True)
                last = max(last, table.column("seq")[-1].as_py())
                times = [min([*times, *moments]), max([*times, *moments])]
        sha256 = digest.hexdigest()
        manifest = {
            "format": FORMAT,
            "sha256": sha256,
            "rows": rows,
            "trials": trials,
            "as_of": last,
            "rule_version": RULE_VERSION,
            "source": source,
            "first_ts": times[0] if times else None,
            "last_ts": times[-1] if times else None,
            "schema": {field.name: str(field.type) for field in schema},
            "row_group": ROW_GROUP,
            "file": {
                "name": DATA,
                "sha256": _hash_of(partial / DATA),
                "bytes": (partial / DATA).stat().st_size,
                "writer": parquet.read_metadata(partial / DATA).created_by,
            },
        }
        workspace.write(partial / MANIFEST, workspace.json_bytes(manifest))
        target = directory / sha256
        if _holds(target, manifest):
            return load(target)
        workspace.remove(target)
        try:
            os.replace(partial, target)
        except OSError:  # another run kept the same content meanwhile
            if not _holds(target, manifest):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Snapshot(target, manifest)


def load(directory: Path) -> Snapshot:
    """A kept snapshot. Raises ``SnapshotError`` when its file is not what its manifest says."""
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
        if _hash_of(directory / DATA) != manifest["file"]["sha256"]:
            raise SnapshotError(
                _("%(path)s has changed since it was written. Take the snapshot again.")
                % {"path": directory / DATA}
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(
            _("%(path)s is no snapshot: %(error)r.") % {"path": directory, "error": error}
        ) from error
    return Snapshot(directory, manifest)


def _holds(target: Path, manifest: dict[str, Any]) -> bool:
    """Whether the same content was kept before, by the same rule and the same writer."""
    try:
        kept = load(target).manifest
    except SnapshotError:
        return False
    return kept["file"] == manifest["file"] and kept["rule_version"] == manifest["rule_version"]


def _parts(work: Path) -> list[Path]:
    return sorted(work.glob("part-*.ndjson.zst"))


def _write_part(work: Path, number: int, lines: list[bytes]) -> None:
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(b"".join(lines))
    workspace.write(work / f"part-{number:06d}.ndjson.zst", sink.getvalue().to_pybytes())


def _lines(part: Path) -> list[bytes]:
    import pyarrow

    with pyarrow.input_stream(str(part), compression="zstd") as stream:
        return bytes(stream.read()).splitlines(keepends=True)


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _schema() -> Any:
    import pyarrow

    text = pyarrow.string()
    return pyarrow.schema(
        [
            pyarrow.field("seq", pyarrow.int64(), nullable=False),
            pyarrow.field("event_id", text, nullable=False),
            pyarrow.field("event_type", text, nullable=False),
            pyarrow.field("effective_ts", pyarrow.timestamp("us", tz="UTC"), nullable=False),
            pyarrow.field("user_id", text, nullable=False),
            pyarrow.field("session_id", text),
            pyarrow.field("model_version", text),
            pyarrow.field("payload", text),
            pyarrow.field("trial", pyarrow.bool_(), nullable=False),
            pyarrow.field("correct", pyarrow.bool_()),
            pyarrow.field("rt_ms", pyarrow.float64()),
            pyarrow.field("task_type", text),
            pyarrow.field("item_id", text),
        ]
    )


def _table(lines: list[bytes], schema: Any) -> tuple[Any, tuple[str, str]]:
    """Canonical lines as an Arrow table, and the first and the last time within."""
    import pyarrow

    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    times: list[str] = []
    for row, text in zip(map(msgspec.json.decode, lines), lines, strict=True):
        times.append(row["effective_ts"])
        moment = datetime.fromisoformat(row["effective_ts"])
        for name, value in _cells(row, moment, text):
            columns[name].append(value)
    arrays = [pyarrow.array(columns[field.name], type=field.type) for field in schema]
    return pyarrow.Table.from_arrays(arrays, schema=schema), (min(times), max(times))


def _cells(row: Row, moment: datetime, text: bytes) -> Iterator[tuple[str, Any]]:
    trial = trial_of(row, effective_ts=moment)
    for name in ("seq", "event_id", "event_type", "user_id", "session_id", "model_version"):
        yield name, row.get(name)
    yield "effective_ts", moment
    payload = row.get("payload")
    yield "payload", None if payload is None else msgspec.json.encode(payload, order="sorted")
    yield "trial", trial is not None
    for name in _TRIAL_COLUMNS[1:]:
        yield name, None if trial is None else getattr(trial, name)
