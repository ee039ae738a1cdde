"""Views and rankings: the players of one selection, their sums, scores and order."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from leaderboard import scoring
from leaderboard.ledger import Change, Delta, Ledger
from leaderboard.scoring import BOARD_SUMS, PROVISIONAL_UNDER

Ints = NDArray[np.int64]
_ADDRESS = re.compile(r"([^@\s])[^@\s]*@([^@\s])[^@\s]*")
_ANSWERS_MOST = 16


def masked(user_id: str) -> str:
    """A pseudonym as sent; an address in it is masked."""
    if "@" not in user_id:
        return user_id
    return _ADDRESS.sub(lambda match: f"{match[1]}***@{match[2]}***", user_id)


class Ranking:
    """Players of a selection, best first. Never changes; any thread may read it.

    Every array has one entry a player, in the order of the board: the player's number in the
    ledger, score and error in tenths of a milli-point, and sums.
    """

    def __init__(
        self,
        names: list[str],
        player: Ints,
        score: Ints,
        error: Ints,
        sums: Ints,
        *,
        reference: float = 0.0,
        population: float = 0.0,
    ) -> None:
        self._names = names
        self.player = player
        self.score = score
        self.error = error
        self.trials, self.correct, self.responses, self.rt_sum_ms = sums
        self.reference = reference
        self.population = population
        self._answers: dict[tuple[int, int], bytes] = {}

    def scored(self, sums: Ints) -> list[float]:
        """The scores that other sums of trials have on this board, a column each."""
        n = np.maximum(sums[0], 1)
        mean, variance = scoring.adjusted_means(np.vstack([n[None], sums[1:]]), self.reference)
        mean = np.where(sums[0] > 0, mean, self.population)
        score, _error = scoring.shrunk(sums[0].astype(np.float64), mean, variance, self.population)
        return [value / 10 for value in score.tolist()]

    def among(self, min_tasks: int) -> Ints:
        """The places of the players with so many trials, best first."""
        if min_tasks <= 1:
            return np.arange(len(self.player))
        return np.flatnonzero(self.trials >= min_tasks)

    def rows(self, *, limit: int, min_tasks: int) -> list[dict[str, Any]]:
        """The contract's rows; equal scores share a rank (1, 2, 2, 4)."""
        chosen = self.among(min_tasks)[:limit]
        scores = self.score[chosen].tolist()
        rows: list[dict[str, Any]] = []
        rank, before = 0, None
        for place, (at, score) in enumerate(zip(chosen.tolist(), scores, strict=True)):
            if score != before:
                rank, before = place + 1, score
            rows.append(self._row(at, rank))
        return rows

    def _row(self, at: int, rank: int) -> dict[str, Any]:
        trials, correct = int(self.trials[at]), int(self.correct[at])
        responses = int(self.responses[at])
        return {
            "rank": rank,
            "user_id": masked(self._names[self.player[at]]),
            "tasks": trials,
            "correct": correct,
            "accuracy": round(correct / trials, 4),
            "avg_rt_ms": round(int(self.rt_sum_ms[at]) / responses, 1) if responses else None,
            "score": int(self.score[at]) / 10,
            "score_se": int(self.error[at]) / 10,
            "provisional": trials < PROVISIONAL_UNDER,
        }

    def answer(self, *, limit: int, min_tasks: int) -> bytes:
        """The rows as JSON; what many ask for is made once."""
        key = (limit, min_tasks)
        known = self._answers.get(key)
        if known is None:
            known = msgspec.json.encode(self.rows(limit=limit, min_tasks=min_tasks))
            if len(self._answers) < _ANSWERS_MOST:
                self._answers[key] = known
        return known

    def name_of(self, at: int) -> str:
        """The player's id at a place, as it was sent."""
        return self._names[self.player[at]]

    def percentiles(self, places: Iterable[int], *, min_tasks: int) -> list[float]:
        """For players at these places, the share in % of all players whose score is lower.

        Of those with the same score half count (the mid-rank percentile).
        """
        chosen = self.among(min_tasks)
        ascending = self.score[chosen][::-1]
        scores = self.score[list(places)]
        lower = np.searchsorted(ascending, scores, "left")
        upto = np.searchsorted(ascending, scores, "right")
        count = max(1, len(chosen))
        return [round(float(value), 1) for value in 50.0 * (lower + upto) / count]

    def find(self, player: int, *, min_tasks: int) -> tuple[int, dict[str, Any]] | None:
        """(place, row) of a player by their number, or None when they are not on the board."""
        at = np.flatnonzero(self.player == player)
        if not at.size or self.trials[at[0]] < min_tasks:
            return None
        place = int(at[0])
        better = np.searchsorted(-self.score[self.among(min_tasks)], -self.score[place], "left")
        return place, self._row(place, int(better) + 1)


def empty() -> Ranking:
    """A board without players."""
    none = np.zeros(0, np.int64)
    return Ranking([], none, none, none, np.zeros((4, 0), np.int64))


class View:
    """The sums by player of one selection, kept up with the ledger. Of one thread at a time."""

    def __init__(
        self,
        *,
        task_type: str | None,
        model_version: str | None,
        days: tuple[date, ...] | None,
    ) -> None:
        self.task_type = task_type
        self.model_version = model_version
        self.days = days
        self.sums = np.zeros((len(BOARD_SUMS), 0), np.int64)
        self.mean = np.zeros(0)
        self.variance = np.zeros(0)
        self.reference = 0.0
        self.touched: list[Ints] = []
        self.dirty = True
        self.wanted = 0.0
        self.ranked_at = 0.0
        self.ranking = empty()

    def fill(self, ledger: Ledger) -> None:
        """Take in everything that the ledger has."""
        if self.days is None:
            sources = [ledger.totals]
        else:
            sources = [ledger.days[day] for day in self.days if day in ledger.days]
        for columns in sources:
            for part in columns.parts():
                self._take(part, ledger)

    def add(self, change: Change, ledger: Ledger) -> None:
        """Take in what came since the last look."""
        if self.days is None:
            deltas = [change.totals] if change.totals is not None else []
        else:
            deltas = [change.days[day] for day in self.days if day in change.days]
        for delta in deltas:
            self._take(delta, ledger)
        self.dirty = self.dirty or change.holds

    def _take(self, delta: Delta, ledger: Ledger) -> None:
        self._grow(len(ledger.names))
        chosen = np.ones(len(delta.player), bool)
        for wanted, known, column in (
            (self.task_type, ledger.task_types, delta.task_type),
            (self.model_version, ledger.model_versions, delta.model_version),
        ):
            if wanted is not None:
                chosen &= column == known.get(wanted, -1)
        if not chosen.all():
            delta = Delta(
                delta.player[chosen], delta.task_type, delta.model_version, delta.sums[:, chosen]
            )
        if not delta.player.size:
            return
        for row, more in zip(self.sums, delta.sums, strict=True):
            np.add.at(row, delta.player, more)
        self.touched.append(delta.player)
        self.dirty = True

    def _grow(self, size: int) -> None:
        """Room for so many players; more than asked, since they come one by one."""
        room = self.sums.shape[1]
        if size > room:
            more = max(size, room + room // 8) - room
            self.sums = np.pad(self.sums, ((0, 0), (0, more)))
            self.mean, self.variance = (
                np.pad(self.mean, (0, more)),
                np.pad(self.variance, (0, more)),
            )

    def rank(self, ledger: Ledger) -> Ranking:
        """The ranking as it is now; made anew only when something has changed."""
        if not self.dirty:
            return self.ranking
        self._means()
        size = min(len(ledger.names), self.sums.shape[1])
        player = np.flatnonzero((self.sums[0, :size] > 0) & ~ledger.off[:size])
        trials = self.sums[0, player].astype(np.float64)
        mean = self.mean[player]
        population = scoring.population_mean(trials, mean)
        score, error = scoring.shrunk(trials, mean, self.variance[player], population)
        order = np.argsort((-score << 32) + ledger.name_order[player])
        player = player[order]
        self.ranking = Ranking(
            ledger.names,
            player,
            score[order],
            error[order],
            self.sums[:4, player],
            reference=self.reference,
            population=population,
        )
        self.ranked_at = time.monotonic()
        self.dirty = False
        return self.ranking

    def _means(self) -> None:
        """Bring means and variances up to the sums: of who played, or of all when what an
        average item is has moved."""
        reference = scoring.reference_difficulty(self.sums)
        if reference != self.reference:
            changed = np.flatnonzero(self.sums[0])
            self.reference = reference
        elif self.touched:
            seen = np.zeros(self.sums.shape[1], bool)
            for players in self.touched:
                seen[players] = True
            changed = np.flatnonzero(seen & (self.sums[0] > 0))
        else:
            return
        self.touched = []
        if changed.size:
            self.mean[changed], self.variance[changed] = scoring.adjusted_means(
                self.sums[:, changed], reference
            )
