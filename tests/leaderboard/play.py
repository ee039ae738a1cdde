"""Events of the game, stored as ingest stores them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from telemetry import ingest
from telemetry.wire import read_event


def trial(event_id, user_id="u", correct=True, rt_ms=1000, **fields) -> dict[str, Any]:
    payload = {"correct": correct, "rt_ms": rt_ms, **fields.pop("payload", {})}
    return {
        "event_id": str(event_id), "event_type": "task_result", "user_id": user_id,
        "event_ts": "2026-02-17T12:00:00Z", "model_version": "m1", "payload": payload, **fields,
    }  # fmt: skip


def store(events: Iterable[dict[str, Any]], now: datetime | None = None) -> ingest.Counts:
    now = now or timezone.now()
    parsed = [read_event(json.dumps(e).encode(), n, now) for n, e in enumerate(events)]
    with transaction.atomic():
        return ingest.store(ingest.Batch(parsed, now))


def play(user_id, n, correct=True, rt_ms=1000, start=0, **fields) -> list[dict[str, Any]]:
    """`n` trials with plausibly uneven response times around `rt_ms`."""
    return [
        trial(f"{user_id}-{start + k}", user_id, correct, rt_ms + (k % 9 - 4) * 20, **fields)
        for k in range(n)
    ]
