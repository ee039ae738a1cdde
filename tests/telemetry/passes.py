"""What one ordered pass over batches leaves behind, in plain Python: the law that ingest obeys.

A reference that shares no code with the product: ids, contents, conflicts, quarantine and sums of
trials, and the strategies that draw batches full of repeats and contradictions.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

IDS = tuple(f"e{number}" for number in range(8))
# Response times in ms: None a timeout, 90 too fast to count, "x" no trial at all.
RESPONSES: tuple[Any, ...] = (None, -1, 90, 400, 1200.5, "x")


@dataclass(frozen=True)
class Event:
    """An id with one of many contents; `turned` only changes how the same content is written."""

    event_id: str
    correct: bool
    response: Any
    turned: bool = False

    @property
    def user_id(self) -> str:
        return f"player-{int(self.event_id[1:]) % 3}"

    @property
    def day(self) -> str:
        return f"2026-02-{1 + int(self.event_id[1:]) % 2:02}"

    def content(self) -> dict[str, Any]:
        return {
            "event_id": self.event_id,
            "event_type": "task_result",
            "event_ts": f"{self.day}T12:00:00Z",
            "user_id": self.user_id,
            "payload": {"correct": self.correct, "rt_ms": self.response},
        }

    def raw(self) -> str:
        content = self.content()
        return json.dumps(dict(reversed(content.items())) if self.turned else content)

    def same_as(self, other: Event) -> bool:
        return self.content() == other.content()

    def sums(self) -> tuple[int, int, int, int]:
        """(trials, correct, timeouts, too fast) that it adds to the standings."""
        if self.response == "x":
            return 0, 0, 0, 0
        if self.response in (None, -1):
            return 1, 0, 1, 0
        if self.response < 150:
            return 0, 0, 0, 1
        return 1, int(self.correct), 0, 0


@dataclass(frozen=True)
class Bad:
    """What is quarantined: an event without most of its fields."""

    number: int

    def raw(self) -> str:
        return json.dumps({"event_id": f"bad-{self.number}"})


Item = Event | Bad
events = st.builds(
    Event,
    event_id=st.sampled_from(IDS),
    correct=st.booleans(),
    response=st.sampled_from(RESPONSES),
    turned=st.booleans(),
)
items: st.SearchStrategy[Item] = st.one_of(
    events, events, events, st.builds(Bad, st.integers(0, 3))
)
batches = st.lists(items, max_size=6)


@dataclass
class Pass:
    """The state after some batches, in order. `kept` names the batch that brought each event."""

    kept: dict[str, tuple[Event, str]] = field(default_factory=dict)
    conflicts: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    quarantined: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def take(self, batch: Iterable[Item], name: str) -> tuple[int, int, int]:
        """(accepted, duplicate, rejected) of one batch."""
        counts = [0, 0, 0]
        for item in batch:
            if isinstance(item, Bad):
                self.quarantined.add(item.raw())
                counts[2] += 1
            elif item.event_id in self.deleted:
                counts[1] += 1
            elif item.event_id not in self.kept:
                self.kept[item.event_id] = (item, name)
                counts[0] += 1
            else:
                counts[1] += 1
                known = [self.kept[item.event_id][0], *self.conflicts[item.event_id]]
                if not any(item.same_as(other) for other in known):
                    self.conflicts[item.event_id].append(item)
        return counts[0], counts[1], counts[2]

    def erase(self, user_id: str) -> None:
        gone = {event_id for event_id, (item, _) in self.kept.items() if item.user_id == user_id}
        for event_id in gone:
            del self.kept[event_id]
            self.conflicts.pop(event_id, None)
        self.deleted |= gone

    def state(self) -> dict[str, Any]:
        """All that can be seen of it, comparable with what the database holds."""
        totals: dict[tuple[str, str], list[int]] = {}
        for item, _name in self.kept.values():
            cell = totals.setdefault((item.user_id, item.day), [0, 0, 0, 0])
            for index, value in enumerate(item.sums()):
                cell[index] += value
        return {
            "events": {
                event_id: (canonical(item.raw()), name)
                for event_id, (item, name) in self.kept.items()
            },
            "conflicts": {
                (event_id, canonical(item.raw()))
                for event_id, others in self.conflicts.items()
                for item in others
            },
            "quarantined": sorted(self.quarantined),
            "standings": {cell: tuple(sum_) for cell, sum_ in totals.items() if any(sum_)},
        }


def canonical(raw: str) -> str:
    return json.dumps(json.loads(raw), sort_keys=True)


def order_of(submitted: dict[str, Sequence[Item]], winners: dict[str, str]) -> list[str]:
    """An order of batches in which every id comes first in the batch that won it.

    `winners` is {event_id: batch}. Raises AssertionError where no order explains them: then no
    single pass over the batches could have ended like this.
    """
    before: dict[str, set[str]] = {name: set() for name in submitted}
    for name, batch in submitted.items():
        for event_id in {item.event_id for item in batch if isinstance(item, Event)}:
            if winners[event_id] != name:
                before[name].add(winners[event_id])
    order: list[str] = []
    while len(order) < len(submitted):
        free = [name for name in submitted if name not in order and before[name] <= set(order)]
        assert free, f"no order of the batches explains {winners}"
        order += free
    return order
