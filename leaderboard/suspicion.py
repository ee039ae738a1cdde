"""What in a player's sums and sessions a person should look at: pure functions.

Each reason has its thresholds here and is kept with the numbers that it was seen in. A finding
holds a player back; it decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from leaderboard.scoring import FASTEST_MS, Sums

# Under so many responses nothing is judged.
JUDGE_FROM = 30
# The share of responses that are too fast to be one. People anticipate now and then, in some 1 %.
FAST_SHARE = 0.05
# Response times of people spread by a tenth of their mean and more, whatever the task. A short
# even run may be a test of the wiring; nobody plays a thousand trials evenly.
EVEN_SD_MS = 8.0
EVEN_SHARE = 0.01
EVEN_FROM = 1000
# Chance: accuracy that a coin explains, over so many responses. Where difficulties are known a weak
# player is right on the easy items more often than on the hard ones, and a guesser is not: then the
# correlation of being right with the difficulty, which by Rasch's model is about -.4, must also be
# absent. Where items are named but not rated yet, nothing is said.
CHANCE = 0.5
CHANCE_FROM = 100
CHANCE_Z = 1.64
SLOPE_Z = 1.0
LEAST_SPREAD = 0.3  # logits of difficulty, under which it cannot tell a guesser
# One player in two sessions at once. Clocks are set and windows forgotten; half a minute of play in
# both is neither.
OVERLAP_MS = 30_000


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason to look at a player: its code, a sentence, and the numbers behind it."""

    code: str
    text: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Sessions of one player that overlap: pairs of ids, and the longest common time in ms."""

    sessions: tuple[str, str]
    longest_ms: int
    pairs: int


def too_fast(sums: Sums) -> Finding | None:
    """Responses under 150 ms beyond the share that anticipation explains."""
    responses = sums.rt_count + sums.excluded
    share = sums.excluded / responses
    if share <= FAST_SHARE:
        return None
    return Finding(
        "fast",
        f"{sums.excluded} of {responses} responses under {FASTEST_MS:.0f} ms",
        {"too_fast": sums.excluded, "responses": responses, "share": round(share, 4),
         "threshold": FAST_SHARE},
    )  # fmt: skip


def too_even(sums: Sums) -> Finding | None:
    """Response times that are nearly the same, a thousand times and more."""
    spread = sums.rt_sd_ms
    if spread is None or sums.rt_count < EVEN_FROM:
        return None
    threshold = max(EVEN_SD_MS, EVEN_SHARE * sums.rt_sum_ms / sums.rt_count)
    if spread >= threshold:
        return None
    return Finding(
        "even",
        f"response times differ by only {spread:.1f} ms (standard deviation)",
        {"rt_sd_ms": round(spread, 2), "responses": sums.rt_count,
         "threshold": round(threshold, 2)},
    )  # fmt: skip


def at_chance(sums: Sums) -> Finding | None:
    """Accuracy that a coin explains, and, where that can be seen, blind to difficulty."""
    n = sums.rt_count
    if n < CHANCE_FROM or sums.unrated:
        return None
    z = (sums.correct - CHANCE * n) / math.sqrt(CHANCE * (1 - CHANCE) * n)
    if abs(z) > CHANCE_Z:
        return None
    evidence = {"correct": sums.correct, "responses": n, "accuracy": round(sums.correct / n, 4),
                "z": round(z, 2), "threshold": CHANCE_Z}  # fmt: skip
    if sums.rated:
        if sums.rated < CHANCE_FROM:
            return None
        slope = difficulty_z(sums)
        if slope is None or slope < -SLOPE_Z:
            return None
        evidence["difficulty_z"] = round(slope, 2)
    return Finding("chance", f"{sums.correct} of {n} responses correct, as by guessing", evidence)


def difficulty_z(sums: Sums) -> float | None:
    """Correlation of being right with the difficulty, times the root of the rated trials.

    About standard normal for a guesser, far below 0 for whoever tries. None where difficulties
    hardly differ.
    """
    n, right = sums.rated, sums.rated_correct
    spread = n * sums.difficulty_sq - sums.difficulty_sum**2
    if n < 2 or spread < (1000 * LEAST_SPREAD * n) ** 2 or not 0 < right < n:
        return None
    common = n * sums.difficulty_correct - sums.difficulty_sum * right
    return math.sqrt(n) * common / math.sqrt(spread * right * (n - right))


def overlapping(overlap: Overlap | None) -> Finding | None:
    """Play in two sessions at once."""
    if overlap is None or overlap.longest_ms <= OVERLAP_MS:
        return None
    return Finding(
        "overlap",
        f"two sessions at once for {overlap.longest_ms / 1000:.0f} s",
        {"sessions": list(overlap.sessions), "pairs": overlap.pairs,
         "longest_s": round(overlap.longest_ms / 1000), "threshold_s": OVERLAP_MS // 1000},
    )  # fmt: skip


REASONS: tuple[Callable[[Sums], Finding | None], ...] = (too_fast, too_even, at_chance)


def judge(sums: Sums, overlap: Overlap | None = None) -> list[Finding]:
    """What should be looked at by a person; empty when nothing is odd."""
    if sums.rt_count + sums.excluded < JUDGE_FROM:
        return []
    found = [reason(sums) for reason in REASONS] + [overlapping(overlap)]
    return [finding for finding in found if finding is not None]
