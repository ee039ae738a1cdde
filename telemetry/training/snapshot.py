"""Snapshots: an immutable, canonical copy of the events that a training run sees.

A snapshot is NDJSON, one event a line with sorted keys, in the order of ``seq``. It holds only what
every source knows the same way (``FIELDS``), so the database, the export endpoint and an exported
file give the same bytes, and so the same SHA-256, for the same events.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext as _

from telemetry.client import NoRedirect
from telemetry.wire import Trial, trial_of

FIELDS = (
    "seq",
    "event_id",
    "event_type",
    "effective_ts",
    "user_id",
    "session_id",
    "model_version",
    "payload",
)
PAGE = 5000


class SnapshotError(Exception):
    """The source cannot be read; the message is a sentence for the person who asked."""


@dataclass(frozen=True)
class Snapshot:
    """Where the rows are, and what identifies them. ``as_of`` is the largest ``seq`` within."""

    path: Path
    sha256: str  # of the uncompressed NDJSON
    rows: int
    as_of: int


def canonical(event: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an exported event that a snapshot keeps; absent fields stay absent."""
    row = {name: event[name] for name in FIELDS if event.get(name) not in (None, "")}
    row["seq"] = int(event["seq"])
    row["effective_ts"] = _instant(event.get("effective_ts") or event["event_ts"])
    return row


def from_database(*, as_of: int | None = None) -> Iterator[dict[str, Any]]:
    """Events of this server in order of ``seq``, up to ``as_of`` inclusive, in flat memory.

    Without ``as_of`` the last event at the moment of the call bounds the snapshot.
    """
    from telemetry.models import GameEvent

    if as_of is None:
        as_of = GameEvent.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    after = 0
    while True:
        page = list(
            GameEvent.objects.filter(seq__gt=after, seq__lte=as_of)
            .order_by("seq")
            .values_list("seq", "effective_ts", "raw")[:PAGE]
        )
        for seq, effective_ts, raw in page:
            yield canonical({**json.loads(raw), "seq": seq, "effective_ts": effective_ts})
        if len(page) < PAGE:
            return
        after = page[-1][0]


def from_file(path: Path, *, as_of: int | None = None) -> Iterator[dict[str, Any]]:
    """Events of an NDJSON file, plain or gzipped: an export, or an earlier snapshot.

    Events without ``seq`` get their line's number. The whole file is held, to bring it into order.
    """
    rows: dict[str, dict[str, Any]] = {}
    try:
        with _open(path) as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                event = json.loads(line)
                row = canonical({"seq": number, **event})
                rows.setdefault(str(row["event_id"]), row)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotError(
            _("%(path)s is not a file of exported events: %(error)r.")
            % {"path": path, "error": error}
        ) from error
    for row in sorted(rows.values(), key=lambda one: one["seq"]):
        if as_of is None or row["seq"] <= as_of:
            yield row


def from_export(
    *, url: str, api_key: str, as_of: int | None = None, timeout: float = 60.0
) -> Iterator[dict[str, Any]]:
    """Events of another server by its ``/v1/export/raw``, page after page.

    ``url`` is the server's address, with or without that path; ``timeout`` seconds bound a page.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise SnapshotError(_("The address of the export must start with http:// or https://."))
    path = parts.path if parts.path.endswith("/export/raw") else "/v1/export/raw"
    opener = urllib.request.build_opener(NoRedirect)  # a redirect would take the key elsewhere
    after: int | None = 0
    while after is not None:
        query = urllib.parse.urlencode({"limit": PAGE, "after": after})
        address = urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, query, ""))
        request = urllib.request.Request(address, headers={"X-API-Key": api_key})  # noqa: S310
        try:
            with opener.open(request, timeout=timeout) as response:
                page = json.load(response)
                rows, after = [canonical(event) for event in page["events"]], page["next_cursor"]
        except urllib.error.HTTPError as error:
            with error:
                raise SnapshotError(
                    _("The export of %(host)s answered %(status)d.")
                    % {"host": parts.netloc, "status": error.code}
                ) from error
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise SnapshotError(
                _("The export of %(host)s cannot be read: %(error)r.")
                % {"host": parts.netloc, "error": error}
            ) from error
        for row in rows:
            if as_of is not None and row["seq"] > as_of:
                return
            yield row


def write(rows: Iterable[Mapping[str, Any]], directory: Path) -> Snapshot:
    """Write canonical rows as ``<sha256>.ndjson.gz`` into ``directory``, whole or not at all.

    The file's bytes follow from the rows alone (no name or time in the gzip header).
    """
    directory.mkdir(parents=True, exist_ok=True)
    partial = directory / f".partial-{os.getpid()}.ndjson.gz"
    digest = hashlib.sha256()
    count = last = 0
    try:
        with (
            partial.open("wb") as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as stream,
        ):
            for row in rows:
                text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                line = text.encode("utf-8", "surrogatepass") + b"\n"
                digest.update(line)
                stream.write(line)
                count += 1
                last = max(last, row["seq"])
        path = directory / f"{digest.hexdigest()}.ndjson.gz"
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return Snapshot(path, digest.hexdigest(), count, last)


def trials(snapshot: Snapshot) -> list[Trial]:
    """The trials of a snapshot (``telemetry.wire.trial_of``), by effective time, then ``seq``."""
    found: list[tuple[datetime, int, Trial]] = []
    with _open(snapshot.path) as stream:
        for line in stream:
            row = json.loads(line)
            trial = trial_of(row)
            if trial is not None:
                found.append((datetime.fromisoformat(row["effective_ts"]), row["seq"], trial))
    found.sort(key=lambda one: one[:2])
    return [trial for _moment, _seq, trial in found]


def _open(path: Path) -> IO[str]:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    if packed:
        return gzip.open(path, "rt", encoding="utf-8", errors="surrogatepass")
    return path.open(encoding="utf-8", errors="surrogatepass")


def _instant(value: datetime | str) -> str:
    """An instant in UTC with microseconds; a naive one is taken as UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")
