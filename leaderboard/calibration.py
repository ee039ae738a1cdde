"""Difficulties of items that events only name: estimated from all players' answers, then frozen.

Joint estimation of the Rasch model (Rasch 1960; Wright & Panchapakesan 1969) with normal priors on
both sides, which keep whoever was always right, and what nobody solved, finite (Swaminathan &
Gifford 1982). An item is rated once, when enough players have met it, and keeps its difficulty: what
a player has reached does not change because others play. The standings are rebuilt with the new
difficulties and switch to both in one moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from django.db.models import Sum
from numpy.typing import NDArray

from leaderboard import cells, rebuild
from leaderboard.models import Board, ItemDifficulty, Total
from leaderboard.scoring import milli_logits

Floats = NDArray[np.float64]
# An item is rated from so many trials on: the error of its difficulty is then about .3 logits.
RATE_FROM = 50
# What is estimated from: the latest trials up to here, some 20 bytes each in memory.
TRIALS_MOST = 2_000_000
# The worker rates when so many trials are of unrated items: at least this many and this share of
# all, and twice as many as the last time left, so that scanning stays in proportion to the events.
WORTH_FROM, WORTH_SHARE = 500, 0.01
PRIOR_SD = 1.5  # logits, of abilities and of difficulties
ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Answers:
    """Trials as columns: numbers of player and item, whether solved, and known difficulty or NaN
    for each item."""

    player: NDArray[np.int64]
    item: NDArray[np.int64]
    solved: NDArray[np.bool_]
    known: Floats


def estimate(answers: Answers) -> Floats:
    """The difficulty of every item in logits; known ones are what they are.

    Without known ones the origin is the mean difficulty. Alternating Newton steps for all abilities
    and all difficulties; the order of the trials plays no part beyond rounding.
    """
    players = int(answers.player.max(initial=-1)) + 1
    items = len(answers.known)
    fixed = ~np.isnan(answers.known)
    difficulty = np.where(fixed, answers.known, 0.0)
    ability = np.zeros(players)
    solved = answers.solved.astype(np.float64)
    prior = 1.0 / PRIOR_SD**2
    for _round in range(ROUNDS):
        for side in ("ability", "difficulty"):
            chance = 1.0 / (1.0 + np.exp(difficulty[answers.item] - ability[answers.player]))
            left, weight = solved - chance, chance * (1.0 - chance)
            if side == "ability":
                centre = ability.mean() if players else 0.0
                slope = np.bincount(answers.player, left, players) - prior * (ability - centre)
                ability += _step(slope, np.bincount(answers.player, weight, players) + prior)
            else:
                slope = -np.bincount(answers.item, left, items) - prior * difficulty
                step = _step(slope, np.bincount(answers.item, weight, items) + prior)
                difficulty = np.where(fixed, answers.known, difficulty + step)
                if not fixed.any():
                    difficulty -= difficulty.mean()
    return difficulty


def _step(slope: Floats, curvature: Floats) -> Floats:
    return np.clip(slope / curvature, -1.0, 1.0)


def calibrate(*, progress: Callable[[int], object] = lambda seq: None) -> int:
    """Rate the items that have trials enough and no difficulty yet, and rebuild; how many."""
    known = cells.difficulties(rebuild.current())
    players: dict[str, int] = {}
    items: dict[tuple[str, str], int] = {}
    first = max(0, rebuild.last_seq() - TRIALS_MOST)
    player, item, solved = [], [], []
    given: dict[int, float] = {}
    bare: set[int] = set()
    for _seq, trial, _session in rebuild.stored_trials(after=first):
        if trial.item_id is None or trial.rt_ms is None:
            continue
        player.append(players.setdefault(trial.user_id, len(players)))
        number = items.setdefault((trial.task_type, trial.item_id), len(items))
        item.append(number)
        solved.append(trial.correct)
        if trial.difficulty is None:
            bare.add(number)
        else:
            given[number] = milli_logits(trial.difficulty) / 1000.0
    if not items:
        return 0
    levels = np.array([known.get(key, np.nan) for key in items], np.float64) / 1000.0
    old = ~np.isnan(levels)
    for number, level in given.items():
        if not old[number]:
            levels[number] = level
    answers = Answers(
        np.array(player, np.int64), np.array(item, np.int64), np.array(solved, bool), levels
    )
    counts = np.bincount(answers.item, minlength=len(items))
    right = np.bincount(answers.item, answers.solved.astype(np.float64), minlength=len(items))
    new = [
        ItemDifficulty(
            task_type=task_type,
            item_id=item_id,
            milli_logits=milli_logits(float(level)),
            trials=int(counts[number]),
            correct=int(right[number]),
        )
        for ((task_type, item_id), number), level in zip(
            items.items(), estimate(answers), strict=True
        )
        if number in bare and not old[number] and counts[number] >= RATE_FROM
    ]
    if new:
        rebuild.rebuild(new_difficulties=new, progress=progress)
    Board.objects.update(unrated_seen=_trials()[0])
    return len(new)


def worth_it() -> bool:
    """Whether enough trials of unrated items have come to look at their items."""
    unrated, trials = _trials()
    seen = Board.objects.values_list("unrated_seen", flat=True).first() or 0
    return unrated >= max(WORTH_FROM, WORTH_SHARE * trials, 2 * seen)


def _trials() -> tuple[int, int]:
    """How many trials were of unrated items, and how many there are."""
    state = rebuild.current()
    rows = Total.objects.filter(rule_version=state.rule_version, build=state.build)
    sums = rows.aggregate(unrated=Sum("unrated"), trials=Sum("trials"))
    return sums["unrated"] or 0, sums["trials"] or 0
