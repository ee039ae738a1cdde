"""A small histogram of scores: nice bins, and the geometry of its drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
    scores: Sequence[float], *, marked: float | None = None, most: int = 24
) -> Histogram | None:
    """The distribution of `scores`; `marked` is a score whose bin stands out. None for none."""
    if not scores:
        return None
    low, high = min(scores), max(scores)
    span = high - low or max(abs(high), 1.0) * 0.1
    step = nice_step(span, min(most, max(5, math.ceil(math.sqrt(len(scores)) * 2))))
    first = math.floor(low / step + 1e-9)
    count = max(1, math.ceil(high / step - 1e-9) - first)
    counts = [0] * count
    for score in scores:
        counts[_bin_of(score, step, first, count)] += 1
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
