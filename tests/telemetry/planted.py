"""Simulated play as an export would show it, for tests of what is learned from it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from telemetry.simulation import Config, Population

END = datetime(2026, 3, 1, tzinfo=UTC)


def population(**options: Any) -> Population:
    return Population(Config(**{"end": END, "seed": 7, **options}))


def exported(population: Population) -> list[dict[str, Any]]:
    """Every event once, in the order in which it would be stored, with the server's fields."""
    events: dict[str, dict[str, Any]] = {}
    for number in range(len(population.players)):
        for event in population.play(number).events:
            moment = event["event_ts"].isoformat()
            events.setdefault(event["event_id"], {**event, "event_ts": moment})
    return [
        {**event, "seq": seq, "effective_ts": event["event_ts"], "received_at": END.isoformat()}
        for seq, event in enumerate(events.values(), start=1)
    ]


def write_ndjson(rows: Iterable[dict[str, Any]], path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def spearman(one: list[float], other: list[float]) -> float:
    """Rank correlation (C. Spearman, 1904), for values without ties."""
    first, second = (np.argsort(np.argsort(values)) for values in (one, other))
    return float(np.corrcoef(first, second)[0][1])
