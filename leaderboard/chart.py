"""Small charts: a histogram of scores, a line of them over days, and the geometry of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 380, 210
LEFT, RIGHT, TOP, BOTTOM = 34, 20, 14, 32


@dataclass(frozen=True, slots=True)
class Bin:
    """Scores in [low, high); the last bin also holds its upper edge. The rest is geometry."""

    low: float
    high: float
    count: int
    marked: bool
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Histogram:
    bins: tuple[Bin, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    digits: int
    """Decimals that the edges of the bins need."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    base: int = HEIGHT - BOTTOM


def nice_step(span: float, parts: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts `span` into at most `parts`."""
    raw = span / parts
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))


def histogram(
    scores: Sequence[float] | NDArray[np.float64], *, marked: float | None = None, most: int = 24
) -> Histogram | None:
    """The distribution of `scores`; `marked` is a score whose bin stands out. None for none."""
    if not len(scores):
        return None
    low, high = float(np.min(scores)), float(np.max(scores))
    span = high - low or max(abs(high), 1.0) * 0.1
    step = nice_step(span, min(most, max(5, math.ceil(math.sqrt(len(scores)) * 2))))
    first = math.floor(low / step + 1e-9)
    count = max(1, math.ceil(high / step - 1e-9) - first)
    places = np.floor(np.asarray(scores, np.float64) / step + 1e-9).astype(np.int64) - first
    counts = np.bincount(np.clip(places, 0, count - 1), minlength=count).tolist()
    chosen = None if marked is None else _bin_of(marked, step, first, count)
    tallest = max(counts)
    wide = (WIDTH - LEFT - RIGHT) / count
    tall = HEIGHT - TOP - BOTTOM
    base = HEIGHT - BOTTOM
    bins = tuple(
        Bin(
            low=(first + index) * step,
            high=(first + index + 1) * step,
            count=number,
            marked=index == chosen,
            x=round(LEFT + index * wide + 1, 2),
            y=round(base - tall * number / tallest, 2),
            width=round(max(1.0, wide - 2), 2),
            height=round(tall * number / tallest, 2),
        )
        for index, number in enumerate(counts)
    )
    every = max(1, math.ceil(count / 6))
    x_ticks = tuple(
        Tick((first + index) * step, round(LEFT + index * wide, 2))
        for index in range(0, count + 1, every)
    )
    unit = max(1, round(nice_step(tallest, 3))) if tallest > 1 else 1
    y_ticks = tuple(
        Tick(value, round(base - tall * value / tallest, 2))
        for value in range(0, tallest + 1, unit)
    )
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return Histogram(bins=bins, x_ticks=x_ticks, y_ticks=y_ticks, digits=digits)


def _bin_of(score: float, step: float, first: int, count: int) -> int:
    return min(count - 1, max(0, math.floor(score / step + 1e-9) - first))


@dataclass(frozen=True, slots=True)
class Spot:
    """A score at the end of a day, and where it is drawn."""

    day: date
    score: float
    trials: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """Scores over days: the last spot is the newest."""

    spots: tuple[Spot, ...]
    y_ticks: tuple[Tick, ...]
    digits: int
    path: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT + 12
    right: int = WIDTH - RIGHT
    base: int = HEIGHT - BOTTOM


def line(points: Sequence[tuple[date, float, int]]) -> Line | None:
    """A line through (day, score, trials), oldest first; days lie as far apart as they are."""
    if not points:
        return None
    scores = [score for _day, score, _trials in points]
    low, high = min(scores), max(scores)
    step = nice_step(max(high - low, 1.0), 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    left, right, base = LEFT + 12, WIDTH - RIGHT, HEIGHT - BOTTOM
    tall = base - TOP
    days = (points[-1][0] - points[0][0]).days

    def x(day: date) -> float:
        share = (day - points[0][0]).days / days if days else 0.5
        return round(left + 8 + share * (right - left - 16), 1)

    def y(score: float) -> float:
        return round(base - tall * (score / step - first) / (last - first), 1)

    spots = tuple(Spot(day, score, trials, x(day), y(score)) for day, score, trials in points)
    ticks = tuple(Tick(place * step, y(place * step)) for place in range(first, last + 1))
    path = "M" + "L".join(f"{spot.x} {spot.y}" for spot in spots)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return Line(spots=spots, y_ticks=ticks, digits=digits, path=path)


def sparkline(scores: Sequence[float], *, width: int = 60, height: int = 16) -> str:
    """The path of a tiny line through scores, oldest first; empty for fewer than two."""
    if len(scores) < 2:
        return ""
    low, high = min(scores), max(scores)
    scale = (height - 4) / ((high - low) or 1.0)
    step = (width - 4) / (len(scores) - 1)
    return "M" + "L".join(
        f"{2 + place * step:.1f} {height - 2 - (score - low) * scale:.1f}"
        for place, score in enumerate(scores)
    )
