"""What the first page of the admin shows: each room registers its part, for whom it concerns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a list: what it is, where it leads, what stands beside it."""

    text: Any
    url: str = ""
    aside: Any = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A number with what it means. `tone`: calm, good, warn or bad."""

    title: Any
    value: Any
    note: Any = ""
    url: str = ""
    tone: str = "calm"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with cards and, below them, a list; `empty` says what an empty list means."""

    title: Any
    order: int = 50
    cards: list[Card] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    rows_title: Any = ""
    empty: Any = ""


Part = Callable[[HttpRequest], list[Section]]
_parts: dict[str, Part] = {}


def register(name: str, part: Part) -> None:
    """Add a room's part; it answers no section to whom it does not concern."""
    _parts[name] = part


def sections(request: HttpRequest) -> list[Section]:
    """All that concerns this user, by order; sections of one title are one."""
    found: dict[str, Section] = {}
    parts = [section for part in _parts.values() for section in part(request)]
    for section in sorted(parts, key=lambda section: section.order):
        known = found.setdefault(str(section.title), section)
        if known is not section:
            known.cards.extend(section.cards)
            known.rows.extend(section.rows)
    return list(found.values())
