"""Trials as columns: what models learn from and are judged by.

Numbers stand for names (player 3 is ``users[3]``), so a million trials are a few megabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.training.snapshot import Snapshot
from telemetry.wire import Trial

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trials:
    """``n`` trials by effective time, then ``seq``. All arrays have shape ``(n,)``.

    ``time`` is in microseconds since 1970 in UTC; ``solved`` is correct and in time. A skill is a
    task type, ``served`` the model version that the game played with.
    """

    user: Ints
    item: Ints
    skill: Ints
    served: Ints
    time: Ints
    solved: Bools
    users: tuple[str, ...]
    items: tuple[str, ...]
    skills: tuple[str, ...]
    versions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.solved)

    def where(self, chosen: Bools) -> Trials:
        """The chosen trials (a mask of shape ``(n,)``); names and their numbers stay."""
        columns = {
            name: getattr(self, name)[chosen]
            for name in ("user", "item", "skill", "served", "time", "solved")
        }
        return replace(self, **columns)

    def size(self) -> dict[str, int]:
        """Counts of trials, players and items that occur."""
        return {
            "trials": len(self),
            "users": len(np.unique(self.user)),
            "items": len(np.unique(self.item)),
        }


def item_name(task_type: str, item_id: str | None) -> str:
    """What a difficulty belongs to: the item, or all trials of its task type without one."""
    return f"{task_type}/{item_id or '*'}"


def of(trials: Iterable[Trial]) -> Trials:
    """Columns of trials; those of the same time keep their order."""
    rows = list(trials)
    codes = [
        _coded(names)
        for names in (
            [row.user_id for row in rows],
            [item_name(row.task_type, row.item_id) for row in rows],
            [row.task_type for row in rows],
            [row.model_version for row in rows],
        )
    ]
    (user, users), (item, items), (skill, skills), (served, versions) = codes
    time = np.array([round(row.effective_ts.timestamp() * 1e6) for row in rows], dtype=np.int64)
    solved = np.array([row.correct and row.rt_ms is not None for row in rows], dtype=bool)
    made = Trials(user, item, skill, served, time, solved, users, items, skills, versions)
    return _ordered(made, np.arange(len(rows)))


def load(snapshot: Snapshot) -> Trials:
    """The trials of a snapshot."""
    from pyarrow import parquet

    names = ["user_id", "model_version", "task_type", "item_id"]
    table = parquet.read_table(
        snapshot.path,
        columns=["seq", "effective_ts", "correct", "rt_ms", *names],
        filters=[("trial", "=", True)],
        use_threads=False,
    )
    user, users = _dictionary(table, "user_id")
    served, versions = _dictionary(table, "model_version")
    skill, skills = _dictionary(table, "task_type")
    one, ones = _dictionary(table, "item_id")
    pairs, pair = np.unique(skill * (len(ones) + 1) + one, return_inverse=True)
    item, items = _coded(
        [item_name(skills[code // (len(ones) + 1)], ones[code % (len(ones) + 1)]) for code in pairs]
    )
    correct = table.column("correct").to_numpy().astype(bool)
    in_time = table.column("rt_ms").is_valid().to_numpy()
    time = table.column("effective_ts").cast("int64").to_numpy()
    made = Trials(
        user, item[pair], skill, served, time, correct & in_time, users, items, skills, versions
    )
    return _ordered(made, table.column("seq").to_numpy())


def in_test(user_id: str, *, seed: int, share: float) -> bool:
    """Whether a player belongs to the test part: a hash, so it never depends on other players."""
    digest = hashlib.sha256(f"{seed}:{user_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


@dataclass(frozen=True)
class Split:
    """Who and what is tested on: masks of shape ``(n,)`` and the moment between past and future.

    ``train``: players of the training part before ``cut``. ``follow``: all play of the players of
    the test part, through which a model may follow them. ``test``: of that what is judged, from
    ``cut`` on. So whatever is judged is of a player whom the model never saw and lies after
    everything that it learned from. Later play of training players serves nobody.
    """

    train: Bools
    follow: Bools
    test: Bools
    cut: int  # microseconds since 1970


def split(trials: Trials, *, seed: int, test_share: float, forward_share: float) -> Split:
    """Disjoint players, forward in time.

    ``test_share`` of the players are for the test. ``cut`` is where the last ``forward_share`` of
    the trials of the others begins, so nothing of a test player moves it.
    """
    names = np.array([in_test(name, seed=seed, share=test_share) for name in trials.users], bool)
    follow = names[trials.user] if len(names) else np.zeros(0, bool)
    cut = cut_of(trials.time[~follow], forward_share)
    later = trials.time >= cut
    return Split(~follow & ~later, follow, follow & later, cut)


def cut_of(times: Ints, share: float) -> int:
    """The moment at which the last ``share`` of ascending ``times`` begins."""
    if not len(times):
        return 0
    return int(times[min(len(times) - 1, int(np.ceil(len(times) * (1 - share))))])


def _ordered(trials: Trials, seq: Ints) -> Trials:
    order = np.lexsort((seq, trials.time))
    columns = {
        name: getattr(trials, name)[order]
        for name in ("user", "item", "skill", "served", "time", "solved")
    }
    return replace(trials, **columns)


def _coded(names: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """Numbers of names in the order of the names, and the names."""
    known = tuple(sorted(set(names)))
    number = {name: index for index, name in enumerate(known)}
    return np.array([number[name] for name in names], dtype=np.int64), known


def _dictionary(table: Any, column: str) -> tuple[Ints, tuple[str, ...]]:
    """``_coded`` of a column of texts, absent ones as the empty text."""
    encoded = table.column(column).fill_null("").dictionary_encode().combine_chunks()
    number, known = _coded(encoded.dictionary.to_pylist())
    return number[encoded.indices.to_numpy()], known
