"""Anti-cheat signals: what the candidate's page reports, kept with its time and ours."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from neurogame.parsers import depth_of
from telemetry import signals
from telemetry.ingest import raw_digest
from telemetry.models import AntiCheatSignal, QuarantinedEvent
from telemetry.wire import MAX_DEPTH, read_time

GRACE = timedelta(minutes=10)
MAX_EVENTS = 200
MAX_BODY = 256 << 10
MAX_SIGNAL = 32 << 10
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # not the six characters that a program may hold
TYPES = frozenset(
    {
        "copy", "cut", "paste", "task_text_copy", "blur", "focus", "visibility_hidden",
        "visibility_visible", "devtools_suspected", "fullscreen_enter", "fullscreen_exit",
        "keystroke_batch", "edit", "idle", "reconnect",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch."""

    stored: int
    duplicate: int
    rejected: int


def read(event: Any, now: datetime) -> AntiCheatSignal | tuple[str, str]:
    """An unsaved signal, or (reason, detail) why it is quarantined."""
    if not isinstance(event, dict):
        return "not_an_object", "a signal is a JSON object"
    for name, length in (("event_id", 128), ("type", 64)):
        value = event.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= length:
            return "invalid_field", f"{name} is a text of 1 to {length} characters"
    payload = event.get("payload")
    if payload is not None and not isinstance(payload, dict):
        return "invalid_field", "payload is not an object"
    seq = event.get("seq")
    if seq is not None and (
        isinstance(seq, bool) or not isinstance(seq, int) or not -(2**63) <= seq < 2**63
    ):
        return "invalid_field", "seq is not an integer"
    task_id = event.get("task_id")
    if task_id is not None and (not isinstance(task_id, str) or len(task_id) > 64):
        return "invalid_field", "task_id is a text of up to 64 characters"
    try:
        ts, _naive = read_time(event["ts"] if isinstance(event.get("ts"), str) else "")
    except ValueError as error:
        return "invalid_time", f"ts: {error}"[:500]
    fault = unstorable(event)
    if fault:
        return fault
    return AntiCheatSignal(
        event_id=event["event_id"],
        type=event["type"],
        known=event["type"] in TYPES,
        ts=ts,
        received_at=now,
        task_id=task_id or "",
        seq=seq,
        payload=payload or {},
    )


def unstorable(event: dict[str, Any]) -> tuple[str, str] | None:
    """Why a signal cannot be kept as it is: its depth, its size, a character, a number."""
    if depth_of(event, MAX_DEPTH) > MAX_DEPTH:
        return "too_deep", f"nested deeper than {MAX_DEPTH}"
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except UnicodeEncodeError:
        return "unstorable", "a lone surrogate"
    except ValueError:
        return "unstorable", "a number that is not finite"
    if size > MAX_SIGNAL:
        return "too_large", f"a signal may have {MAX_SIGNAL} bytes"
    if _NUL.search(text):
        return "unstorable", "a NUL character"
    return None


def store(session_id: Any, events: list[Any], now: datetime) -> Stored:
    """Store a batch of signals of a session; idempotent on (session, `event_id`)."""
    rows: dict[str, AntiCheatSignal] = {}
    refused: list[tuple[int, str, str, str]] = []
    repeated = 0
    for index, event in enumerate(events):
        found = read(event, now)
        if isinstance(found, AntiCheatSignal):
            repeated += found.event_id in rows
            found.session_id = session_id
            rows.setdefault(found.event_id, found)
        else:
            raw = json.dumps(event, ensure_ascii=True)
            refused.append((index, *found, raw))
    with transaction.atomic():
        known = set(
            AntiCheatSignal.objects.filter(session_id=session_id, event_id__in=rows).values_list(
                "event_id", flat=True
            )
        )
        new = [row for key, row in rows.items() if key not in known]
        AntiCheatSignal.objects.bulk_create(new, ignore_conflicts=True)
        _quarantine(session_id, refused, now)
        transaction.on_commit(
            lambda: signals.signals_stored.send_robust(
                AntiCheatSignal, session_id=session_id, signals=new
            )
        )
    return Stored(len(new), len(known) + repeated, len(refused))


def _quarantine(session_id: Any, refused: list[tuple[int, str, str, str]], now: datetime) -> None:
    source = QuarantinedEvent.Source.ANTICHEAT
    waiting = set(
        QuarantinedEvent.objects.filter(
            source=source,
            session_id=session_id,
            raw_digest__in=[raw_digest(raw) for *_rest, raw in refused],
        ).values_list("raw_digest", flat=True)
    )
    QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(
            source=source,
            received_at=now,
            index=index,
            reason=reason,
            detail=detail,
            raw=raw,
            raw_digest=raw_digest(raw),
            session_id=session_id,
        )
        for index, reason, detail, raw in refused
        if raw_digest(raw) not in waiting
    )
