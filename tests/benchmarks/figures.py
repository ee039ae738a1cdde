"""One measured figure beside its peer's, as one line."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured in each round, here and at the peer, in the same `unit`."""

    what: str
    unit: str
    ours: Sequence[float]
    peer: str
    theirs: Sequence[float]
    more_is_better: bool

    def line(self) -> str:
        """The medians of the rounds, and the ratio ours / the peer's of those medians."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        ratio = f"{ours / theirs:.2f}" if theirs else "-"
        sense = "more is better" if self.more_is_better else "less is better"
        return (
            f"{self.what:<58} {number(ours):>8} {self.unit:<9}"
            f" | {self.peer}: {number(theirs)} | ratio {ratio} ({sense})"
        )


def number(value: float) -> str:
    """Three or more digits, thousands with a comma."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of `values` do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
