"""Where events come from: this database, another server's export, or a file.

Every source yields canonical rows (``canonical``) in the order of ``seq``, so that the same events
are the same rows wherever they were read.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec
from django.utils.translation import gettext as _

from telemetry.client import NoRedirect

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
REQUIRED = ("event_id", "event_type", "user_id")
DATABASE_PAGE = 5000
EXPORT_PAGE = 10_000
PATIENCE_S = (0.5, 2.0, 8.0)  # waits before a failed request to another server is sent again
MAX_SEQ = 2**63 - 1

Row = dict[str, Any]


class SnapshotError(Exception):
    """The source cannot be read; the message is a sentence for the person who asked."""


class Source(Protocol):
    """What a snapshot needs of a source.

    ``pin`` names the last ``seq`` to read, decided once so that a continued snapshot ends where an
    uninterrupted one would. ``rows`` yields canonical rows with ``after < seq <= as_of``.
    """

    kind: ClassVar[str]

    def identity(self) -> list[Any]:
        """What tells this source from others, as JSON; no secret."""

    def pin(self) -> int:
        """The last ``seq`` that a snapshot begun now holds."""

    def rows(self, *, after: int, as_of: int) -> Iterator[Row]:
        """Canonical rows in ascending order of ``seq``."""


def canonical(event: Mapping[str, Any]) -> Row:
    """The part of an exported event that a snapshot keeps; absent fields stay absent.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is no exported event.
    """
    row = {name: event[name] for name in FIELDS if event.get(name) not in (None, "")}
    row["seq"] = int(event["seq"])
    if not 0 <= row["seq"] <= MAX_SEQ:
        raise ValueError(f"seq {row['seq']} does not fit 64 bits")
    row["effective_ts"] = instant(event.get("effective_ts") or event["event_ts"])
    for name in REQUIRED:
        if not isinstance(row[name], str):
            raise TypeError(f"{name} is not a string")
    for name in ("session_id", "model_version"):
        if not isinstance(row.get(name, ""), str):
            raise TypeError(f"{name} is not a string")
    if not isinstance(row.get("payload", {}), dict):
        raise TypeError("payload is not an object")
    return row


def instant(value: datetime | str) -> str:
    """An instant in UTC with microseconds; a naive one is taken as UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")


def line_of(row: Row) -> bytes:
    """The canonical bytes of a row: JSON with sorted keys and without white space, and a newline."""
    return msgspec.json.encode(row, order="sorted") + b"\n"


@dataclass(frozen=True)
class Database:
    """The events of this server, in flat memory."""

    kind: ClassVar[str] = "database"
    as_of: int | None = None

    def identity(self) -> list[Any]:
        from django.db import connection

        return [self.kind, str(connection.settings_dict["NAME"]), self.as_of]

    def pin(self) -> int:
        from telemetry.models import GameEvent

        if self.as_of is not None:
            return self.as_of
        return GameEvent.objects.order_by("-seq").values_list("seq", flat=True).first() or 0

    def rows(self, *, after: int, as_of: int) -> Iterator[Row]:
        from telemetry.models import GameEvent

        while True:
            page = list(
                GameEvent.objects.filter(seq__gt=after, seq__lte=as_of)
                .order_by("seq")
                .values_list("seq", "effective_ts", "raw")[:DATABASE_PAGE]
            )
            for seq, effective_ts, raw in page:
                event = msgspec.json.decode(raw)
                yield canonical({**event, "seq": seq, "effective_ts": effective_ts})
            if len(page) < DATABASE_PAGE:
                return
            after = page[-1][0]


@dataclass(frozen=True)
class Export:
    """The events of another server by its ``/v1/export/raw``, page after page, in flat memory.

    ``url`` is the server's address, with or without that path; ``timeout`` seconds bound the wait
    for each piece of a page. A request that fails in passing is sent again after ``patience``.
    """

    kind: ClassVar[str] = "export"
    url: str
    api_key: str
    as_of: int | None = None
    timeout: float = 60.0
    patience: tuple[float, ...] = PATIENCE_S
    pause: Callable[[float], object] = time.sleep

    def __post_init__(self) -> None:
        try:
            parts = urllib.parse.urlsplit(self.url)
            fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fine = False
        if not fine:
            raise SnapshotError(
                _("The address of the export must start with http:// or https:// and name a host.")
            )

    def identity(self) -> list[Any]:
        return [self.kind, self._address(), self.as_of]

    def pin(self) -> int:
        if self.as_of is not None:
            return self.as_of
        total = self._page({"limit": 1}).total
        if not total:
            return 0
        last = self._page({"limit": 1, "offset": total - 1}).rows
        if not last:  # events were deleted meanwhile: whatever is there is read
            return MAX_SEQ
        return int(last[0]["seq"])

    def rows(self, *, after: int, as_of: int) -> Iterator[Row]:
        while True:
            page = self._page({"format": "ndjson", "limit": EXPORT_PAGE, "after": max(after, 0)})
            for row in page.rows:
                if row["seq"] > as_of:
                    return
                if row["seq"] <= after:
                    raise SnapshotError(
                        _("The export of %(host)s is not in the order of seq.")
                        % {"host": self._host()}
                    )
                after = row["seq"]
                yield row
            if not page.rows or page.ended or after >= as_of:
                return

    def _host(self) -> str:
        return urllib.parse.urlsplit(self.url).netloc.rpartition("@")[2]

    def _address(self) -> str:
        parts = urllib.parse.urlsplit(self.url)
        path = parts.path if parts.path.endswith("/export/raw") else "/v1/export/raw"
        return urllib.parse.urlunsplit((parts.scheme, self._host(), path, "", ""))

    def _page(self, query: dict[str, Any]) -> _Page:
        """One page, with patience for what passes. Raises ``SnapshotError``."""
        for wait in (*self.patience, None):
            try:
                return self._request(query)
            except urllib.error.HTTPError as error:
                with error:
                    passes = error.code == 429 or error.code >= 500
                    after = error.headers.get("Retry-After", "")
                if wait is None or not passes:
                    raise SnapshotError(
                        _("The export of %(host)s answered %(status)d.")
                        % {"host": self._host(), "status": error.code}
                    ) from error
                wait = max(wait, min(float(after), 60.0)) if after.isdigit() else wait
            except (OSError, http.client.HTTPException) as error:
                if wait is None:
                    raise self._unreadable(error) from error
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise self._unreadable(error) from error
            self.pause(wait)
        raise AssertionError("unreachable")

    def _unreadable(self, error: Exception) -> SnapshotError:
        return SnapshotError(
            _("The export of %(host)s cannot be read: %(error)r.")
            % {"host": self._host(), "error": error}
        )

    def _request(self, query: dict[str, Any]) -> _Page:
        address = f"{self._address()}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, headers={"X-API-Key": self.api_key})  # noqa: S310
        opener = urllib.request.build_opener(NoRedirect)  # a redirect would take the key elsewhere
        with opener.open(request, timeout=self.timeout) as response:
            form = response.headers.get_content_type()
            body = response.read()
        if form == "application/x-ndjson":
            if body and not body.endswith(b"\n"):
                raise http.client.IncompleteRead(b"")
            rows = [canonical(msgspec.json.decode(line)) for line in body.splitlines()]
            return _Page(rows, total=None, ended=len(rows) < query["limit"])
        page = json.loads(body)
        rows = [canonical(event) for event in page["events"]]
        return _Page(rows, total=page["total"], ended=page["next_cursor"] is None)


@dataclass(frozen=True)
class _Page:
    rows: list[Row]
    total: int | None
    ended: bool


def source_of(*, snapshot: Path | None, url: str, api_key: str, as_of: int | None) -> Source:
    """The source that somebody asked for: a file, another server, or this database."""
    if snapshot is not None and url:
        raise SnapshotError(_("Give a snapshot or a url, not both."))
    if snapshot is not None:
        from telemetry.training.files import File

        return File(snapshot, as_of=as_of)
    if url:
        return Export(url, api_key, as_of=as_of)
    return Database(as_of=as_of)
