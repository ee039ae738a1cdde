"""Which task comes next, and when the interview has seen enough. Pure: no database, no clock.

An outcome becomes a graded score, the scores an ability with its standard error, and the next
task is the unseen one that tells most about that ability (maximum-information selection, Lord
1980, Applications of Item Response Theory to Practical Testing Problems, chapter 10).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tasks import irt
from tasks.irt import Ability

LEVEL_MEANS = {"junior": -1.0, "middle": 0.0, "senior": 1.0}
PRIOR_SD = 1.0

PARTIAL_CREDIT = 0.75
ATTEMPTS_PENALTY = 0.15
FREE_ATTEMPTS, MAX_ATTEMPTS = 1, 5
TIME_PENALTY = 0.10
FREE_TIME_SHARE = 0.5

SE_TARGET = 0.35
MAX_TASKS = 12
MIN_SECONDS = 60.0


class StopReason(StrEnum):
    """Why no further task is issued; the words of `GET /tasks/next`."""

    PRECISE = "precise"
    TIME = "time"
    BANK = "bank"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one closed task showed.

    `a`, `b`: the task's discrimination (> 0) and difficulty, on the theta scale. `passed` of
    `total` tests, or points where tests are in groups, in the best attempt; `attempts` counts those that were judged. Times in seconds;
    a `time_limit_s` of 0 means that the task had no time of its own.
    """

    a: float
    b: float
    passed: int
    total: int
    attempts: int
    time_used_s: float
    time_limit_s: float
    accepted: bool

    def __post_init__(self) -> None:
        if not 0 <= self.passed <= self.total:
            raise ValueError(f"{self.passed} of {self.total} tests passed is no outcome")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that may be issued: its parameters and how often it has been issued so far."""

    id: str
    a: float
    b: float
    exposure: int = 0


def outcome_score(outcome: Outcome) -> float:
    """The graded score of an outcome, in [0, 1].

    score = base * (1 - 0.15 * extra - 0.10 * slow)

    - base is 1 for an accepted task, else 0.75 * passed / total: an incomplete solution never
      scores as much as a complete one, however quick;
    - extra is the share of the four repeat attempts that was used, 0 to 1;
    - slow is the share of the second half of the task's time that was used, 0 to 1: no hurry is
      rewarded within the first half.

    A task that was skipped without an attempt passed nothing and scores 0.
    """
    if outcome.attempts <= 0 or outcome.total <= 0:
        return 0.0
    base = 1.0 if outcome.accepted else PARTIAL_CREDIT * outcome.passed / outcome.total
    extra = _clamp((outcome.attempts - FREE_ATTEMPTS) / (MAX_ATTEMPTS - FREE_ATTEMPTS))
    slow = 0.0
    if outcome.time_limit_s > 0:
        share = outcome.time_used_s / outcome.time_limit_s
        slow = _clamp((share - FREE_TIME_SHARE) / (1.0 - FREE_TIME_SHARE))
    return base * (1.0 - ATTEMPTS_PENALTY * extra - TIME_PENALTY * slow)


def estimate(outcomes: Iterable[Outcome], level: str) -> Ability:
    """The ability after these outcomes, in any order; the level's prior when there is none.

    The prior is normal with mean -1, 0 or 1 for junior, middle and senior and SD 1. Raises
    ValueError for a level without a prior.
    """
    if level not in LEVEL_MEANS:
        raise ValueError(f"unknown level {level!r}")
    responses = [irt.Response(o.a, o.b, outcome_score(o)) for o in outcomes]
    return irt.eap(responses, prior_mean=LEVEL_MEANS[level], prior_sd=PRIOR_SD)


def choose(
    candidates: Iterable[Candidate],
    ability: Ability,
    *,
    rng: Random | None = None,
    among: int = 1,
) -> Candidate | None:
    """The unseen task to issue next, or None when there is none.

    The most informative at the ability's theta; equally informative ones (to nine digits) go by
    the lower exposure, then by id, so that the same question has the same answer. With an `rng`
    and `among` > 1 it is drawn from the `among` best: the "randomesque" control of exposure of
    Kingsbury & Zara (1989), Applied Measurement in Education 2(4), 359-375. The first task of an
    interview follows from `estimate([], level)`.
    """
    ranked = rank(candidates, ability)
    if not ranked:
        return None
    if rng is None or among <= 1:
        return ranked[0]
    return rng.choice(ranked[:among])


def rank(candidates: Iterable[Candidate], ability: Ability) -> Sequence[Candidate]:
    """All candidates in the order in which `choose` prefers them."""

    def preference(candidate: Candidate) -> tuple[float, int, str]:
        known = float(irt.information(ability.theta, candidate.a, candidate.b))
        return (-round(known, 9), candidate.exposure, candidate.id)

    return sorted(candidates, key=preference)


def stop(
    ability: Ability,
    n_done: int,
    seconds_left: float,
    n_left: int,
    *,
    se_target: float = SE_TARGET,
    max_tasks: int = MAX_TASKS,
    min_seconds: float = MIN_SECONDS,
) -> StopReason | None:
    """Why the interview should issue no further task, or None when it should.

    `n_done` tasks are closed, `n_left` of the track are unseen, `seconds_left` remain of the
    session. Asked in the order in which the reasons weigh: the time is over (less than
    `min_seconds` is left to start anything), the estimate is precise (its standard error at most
    `se_target`, and at least one task done), the length is reached, the bank is empty.
    """
    if seconds_left < min_seconds:
        return StopReason.TIME
    if n_done > 0 and ability.se <= se_target:
        return StopReason.PRECISE
    if n_done >= max_tasks:
        return StopReason.LENGTH
    if n_left <= 0:
        return StopReason.BANK
    return None


def _clamp(value: float) -> float:
    return 0.0 if math.isnan(value) else min(1.0, max(0.0, value))
