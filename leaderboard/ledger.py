"""The ledger: the standings as columns of integers in memory, kept up with the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from leaderboard.models import Board, HoldState, PlayerHold, Standing, Total
from leaderboard.scoring import BOARD_SUMS

PAGE = 10_000
Ints = NDArray[np.int64]
_COLUMNS = ", ".join(("id", "user_id", "task_type", "model_version", *BOARD_SUMS))
_CODES = 1 << 20  # task types and model versions that a key has room for


@dataclass(frozen=True, slots=True)
class Delta:
    """What came to some cells: codes of player, task type and model version, and sums, each one
    column of a matrix with the rows of `BOARD_SUMS`."""

    player: Ints
    task_type: Ints
    model_version: Ints
    sums: Ints


@dataclass(slots=True)
class Change:
    """What came since the last look: to the totals, to days, and whether holds changed."""

    totals: Delta | None = None
    days: dict[date, Delta] = field(default_factory=dict)
    holds: bool = False


class Columns:
    """Cells by (player, task type, model version): growing columns and where each cell is."""

    def __init__(self) -> None:
        self.index: dict[int, int] = {}
        self.codes = np.zeros((3, 1024), np.int64)
        self.sums = np.zeros((len(BOARD_SUMS), 1024), np.int64)

    def __len__(self) -> int:
        return len(self.index)

    def put(self, codes: Ints, sums: Ints) -> Delta:
        """Set cells, one a column of `codes` and `sums`, to new sums; what that adds to each."""
        keys = (((codes[0] << 20) | codes[1]) << 20 | codes[2]).tolist()
        index = self.index
        before = len(index)
        at = np.array([index.setdefault(key, len(index)) for key in keys], np.int64)
        self._grow(len(index))
        fresh = at >= before
        self.codes[:, at[fresh]] = codes[:, fresh]
        added = sums - self.sums[:, at]
        self.sums[:, at] = sums
        return Delta(codes[0], codes[1], codes[2], added)

    def _grow(self, size: int) -> None:
        room = self.sums.shape[1]
        if size > room:
            more = ((0, 0), (0, max(size - room, room // 2)))
            self.codes, self.sums = np.pad(self.codes, more), np.pad(self.sums, more)

    def parts(self, most: int = 50_000) -> Iterator[Delta]:
        """All cells, in parts that are worked on in a millisecond."""
        for start in range(0, len(self), most):
            part = slice(start, min(start + most, len(self)))
            player, task_type, model_version = self.codes[:, part]
            yield Delta(player, task_type, model_version, self.sums[:, part])


class Ledger:
    """Totals of every player and the days of the last week, under the rule that is in force."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing; the next look reads everything."""
        self.players: dict[str, int] = {}
        self.names: list[str] = []
        self.task_types: dict[str, int] = {}
        self.model_versions: dict[str, int] = {}
        self.totals = Columns()
        self.days: dict[date, Columns] = {}
        self.off = np.zeros(0, bool)
        self.name_order = np.zeros(0, np.int64)
        self._since = date.max
        self._history: tuple[int, int, int] | None = None
        self._changed = 0
        self._holds: Any = None

    def look(self, *, since: date) -> Change | None:
        """Read what has changed; None when everything was read anew. `since`: the first day kept.

        Either all of it is taken in or, when the database fails, none.
        """
        state = Board.objects.values_list("born", "rule_version", "build", "changed").first()
        if state is None:
            if self._history is not None:
                self.forget()
                self._look_at_holds()
                return None
            return Change(holds=self._look_at_holds())
        history = state[:3]
        if history != self._history or since < self._since:
            self._load(history, state[3], since)
            return None
        change = Change()
        if state[3] != self._changed:
            change = self._read_changes(history, state[3])
        change.holds = self._look_at_holds()
        for day in [day for day in self.days if day < since]:
            del self.days[day]
        self._since = since
        return change

    # --- Reading ---

    def _load(self, history: tuple[int, int, int], changed: int, since: date) -> None:
        """Read everything, page by page."""
        self.forget()
        _born, rule, build = history
        where = "rule_version = %s AND build = %s"
        for rows in _pages(Total, where, [rule, build]):
            self.totals.put(*self._taken(rows))
        for ahead in range(9):  # a day more than the week: clocks differ, and midnight passes
            day = since + timedelta(days=ahead)
            given = [rule, build, connection.ops.adapt_datefield_value(day)]
            for rows in _pages(Standing, f"{where} AND day = %s", given):
                self.days.setdefault(day, Columns()).put(*self._taken(rows))
        self._name()
        self._look_at_holds()
        self._since, self._changed, self._history = since, changed, history

    def _read_changes(self, history: tuple[int, int, int], upto: int) -> Change:
        _born, rule, build = history
        where = "rule_version = %s AND build = %s AND changed > %s"
        given = [rule, build, self._changed]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {_COLUMNS} FROM {Total._meta.db_table} WHERE {where}", given)  # noqa: S608
            totals = cursor.fetchall()
            cursor.execute(
                f"SELECT {_COLUMNS}, CAST(day AS text) FROM {Standing._meta.db_table} "  # noqa: S608
                f"WHERE {where} AND day >= %s",
                [*given, connection.ops.adapt_datefield_value(self._since)],
            )
            days: dict[str, list[Any]] = {}
            for *row, day in cursor.fetchall():
                days.setdefault(day, []).append(row)
        known = len(self.names)
        change = Change()
        if totals:
            change.totals = self.totals.put(*self._taken(totals))
        for text, rows in days.items():
            day = date.fromisoformat(text)
            columns = self.days.setdefault(day, Columns())
            change.days[day] = columns.put(*self._taken(rows))
        if len(self.names) > known:
            self._name()
            self._holds = None
        self._changed = upto
        return change

    def _taken(self, rows: list[Any]) -> tuple[Ints, Ints]:
        """Codes and sums of rows; names that are new get a number."""
        _ids, users, task_types, model_versions, *sums = zip(*rows, strict=True)
        players, names = self.players, self.names
        numbers = []
        for user in users:
            number = players.get(user)
            if number is None:
                number = players[user] = len(names)
                names.append(user)
            numbers.append(number)
        codes = np.array(
            [numbers, _coded(task_types, self.task_types),
             _coded(model_versions, self.model_versions)], np.int64
        )  # fmt: skip
        return codes, np.array(sums, np.int64)

    def _name(self) -> None:
        """Where each name stands in the order of names, for equal scores."""
        order = np.argsort(np.array([name.encode() for name in self.names]), kind="stable")
        self.name_order = np.empty(len(order), np.int64)
        self.name_order[order] = np.arange(len(order))
        if len(self.off) < len(order):
            self.off = np.pad(self.off, (0, len(order) - len(self.off)))

    def _look_at_holds(self) -> bool:
        """Read who is held back, when that has changed; whether it has."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(*), MAX(id), "  # noqa: S608
                f"SUM(CASE WHEN state = '{HoldState.HELD}' THEN 1 ELSE 0 END), "
                f"SUM(CASE WHEN state = '{HoldState.HIDDEN}' THEN 1 ELSE 0 END), "
                "CAST(MAX(decided_at) AS text) "
                f"FROM {PlayerHold._meta.db_table}"
            )
            seen = (len(self.names), *cursor.fetchone())
        if seen == self._holds:
            return False
        held = PlayerHold.objects.exclude(state=HoldState.RELEASED)
        off = np.zeros(len(self.names), bool)
        numbers = [self.players.get(name) for name in held.values_list("user_id", flat=True)]
        off[[number for number in numbers if number is not None]] = True
        self.off, self._holds = off, seen
        return True


def _coded(texts: tuple[str, ...], codes: dict[str, int]) -> list[int]:
    numbers = [codes.setdefault(text, len(codes)) for text in texts]
    if len(codes) >= _CODES:
        raise OverflowError("more task types or model versions than the board can tell apart")
    return numbers


def _pages(model: Any, where: str, given: list[Any]) -> Iterator[list[Any]]:
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM {model._meta.db_table} "  # noqa: S608
                f"WHERE {where} AND id > %s ORDER BY id LIMIT {PAGE}",
                [*given, after],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        yield rows
        after = rows[-1][0]
