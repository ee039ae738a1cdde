"""The board in memory: what each web process keeps so that a request asks the database nothing.

A `Ledger` holds the totals of every player, and the days of the last week, as columns of integers.
It is brought up to date by what has changed since it was last looked at (`Board.changed`), so that
the cost of that is the cost of the change. Of it each selection that somebody asks for has a
`View`: sums by player, to which the same changes are added, and the `Ranking` that they make.

While the process serves, one thread does all this four times a second as long as somebody asks,
and requests only read; what another process stored shows within a second. A selection that nobody
has asked for yet, and the first request after this process has stored events, wait for that
thread. In a process without the thread (a command, a test) whoever asks does it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from asgiref.sync import sync_to_async
from django.db import connection, connections

from leaderboard.ledger import Ledger
from leaderboard.ranking import Ranking, View, empty

logger = logging.getLogger(__name__)

WINDOWS = ("day", "week", "all")
WEEK = 7
EVERY_S = 0.25
# An answer is as fresh as this; older, and the request waits for a look at the database.
FRESH_S = 0.6
# A view that nobody has asked for in this time is not ranked anew until somebody does.
WANTED_S = 10.0
# With nobody asking for this long, the thread only waits.
IDLE_S = 60.0
ANSWER_S = 10.0
CONNECTION_S = 60.0
# All views together hold sums for so many players: some 150 bytes each.
VIEWED_MOST = 2_000_000
VIEWS_LEAST = 6


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the play a board is about."""

    window: str = "all"
    task_type: str | None = None
    model_version: str | None = None

    def days(self, today: date) -> tuple[date, ...] | None:
        """The days that count, or None for all of them: today, or the last seven, in UTC."""
        if self.window == "all":
            return None
        count = 1 if self.window == "day" else WEEK
        return tuple(today - timedelta(days=ago) for ago in range(count))


def today() -> date:
    return datetime.now(UTC).date()


def _file() -> tuple[int, int] | None:
    """Which file SQLite's database is now; None where it is none."""
    if connection.vendor == "sqlite":
        with contextlib.suppress(OSError):
            found = os.stat(connection.settings_dict["NAME"])
            return found.st_dev, found.st_ino
    return None


class Unavailable(Exception):
    """The standings could not be read in time."""


class Live:
    """The standings of one process. `ranking` and `aranking` are for any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ledger = Ledger()
        self._views: OrderedDict[Selection, View] = OrderedDict()
        self._day = date.min
        self._looked = -1e9
        self._poked = -1e9
        self._asked_at = -1e9
        self._asked: queue.SimpleQueue[tuple[Selection | None, Future[Ranking] | None]] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None
        self._read_file: tuple[int, int] | None = None
        self._connected_at = -1e9

    # --- Asking ---

    def ranking(self, selection: Selection) -> Ranking:
        """The ranking of a selection, as the database has it now or had it a moment ago.

        Raises what the database raises, or `Unavailable` when it takes too long.
        """
        known = self.known(selection)
        if known is not None:
            return known
        if not self.running:
            with self._lock:
                self._look()
                return self._answer(selection)
        try:
            return self._ask(selection).result(ANSWER_S)
        except TimeoutError:
            raise Unavailable from None

    async def aranking(self, selection: Selection) -> Ranking:
        """The same without holding up the event loop."""
        known = self.known(selection)
        if known is not None:
            return known
        return await sync_to_async(self.ranking, thread_sensitive=not self.running)(selection)

    def known(self, selection: Selection) -> Ranking | None:
        """The ranking that lies ready, if it is fresh. Never waits."""
        now = time.monotonic()
        self._asked_at = now
        view = self._views.get(selection)
        if not self.running or view is None:
            return None
        view.wanted = now
        as_of = view.ranked_at if view.dirty else self._looked
        fresh = as_of >= max(now - FRESH_S, self._poked) and _file() == self._read_file
        fresh = fresh and (view.days is None or self._day == today())
        return view.ranking if fresh else None

    def poke(self) -> None:
        """This process has committed a change: whoever asks from now on sees it."""
        self._poked = time.monotonic()

    def player(self, user_id: str) -> int | None:
        """The number of a player in every ranking, if there is one."""
        return self._ledger.players.get(user_id)

    def known_values(self) -> tuple[list[str], list[str]]:
        """Task types and model versions that somebody has played, in order, as of the last look."""
        return sorted(filter(None, list(self._ledger.task_types))), sorted(
            filter(None, list(self._ledger.model_versions))
        )

    @property
    def running(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _ask(self, selection: Selection) -> Future[Ranking]:
        future: Future[Ranking] = Future()
        self._asked.put((selection, future))
        return future

    # --- Answering, under the lock ---

    def _answer(self, selection: Selection) -> Ranking:
        """The ranking as of the last look."""
        ledger = self._ledger
        if (selection.task_type or "") not in {"", *ledger.task_types} or (
            selection.model_version or ""
        ) not in {"", *ledger.model_versions}:
            return empty()  # names that nobody has played under cost nothing
        view = self._view(selection)
        view.wanted = time.monotonic()
        return view.rank(ledger)

    def _view(self, selection: Selection) -> View:
        view = self._views.get(selection)
        if view is None:
            view = View(
                task_type=selection.task_type,
                model_version=selection.model_version,
                days=selection.days(self._day),
            )
            view.fill(self._ledger)
            self._views[selection] = view
            most = max(VIEWS_LEAST, VIEWED_MOST // max(1, len(self._ledger.names)))
            while len(self._views) > most:
                self._views.popitem(last=False)
        self._views.move_to_end(selection)
        return view

    def _look(self) -> None:
        """Bring the ledger and all views up to the database."""
        began = time.monotonic()
        day = today()
        if day != self._day:
            for selection in [one for one in self._views if one.window != "all"]:
                del self._views[selection]
            self._day = day
        change = self._ledger.look(since=day - timedelta(days=WEEK - 1))
        if change is None:
            self._views.clear()
        else:
            for view in list(self._views.values()):
                view.add(change, self._ledger)
        self._looked = began

    # --- The thread ---

    def start(self) -> None:
        """Keep the board ready in a thread of its own, from now to `stop`."""
        with self._lock:
            if not self.running:
                self._thread = threading.Thread(target=self._run, name="board", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._asked.put((None, None))
            thread.join(5.0)

    def _run(self) -> None:
        try:
            with self._lock, contextlib.suppress(Exception):
                self._connect()
                self._look()
                self._answer(Selection())  # ready before the first visitor
            while self._turn():
                pass
        finally:
            connections.close_all()

    def _turn(self) -> bool:
        """Wait for a question or for the time to look; False at the end."""
        idle = time.monotonic() - self._asked_at > IDLE_S
        waiting: list[tuple[Selection | None, Future[Ranking] | None]] = []
        with contextlib.suppress(queue.Empty):
            waiting.append(self._asked.get(timeout=None if idle else EVERY_S))
            while True:
                waiting.append(self._asked.get_nowait())
        questions = [(one, future) for one, future in waiting if one and future]
        with self._lock:
            try:
                self._connect()
                self._look()
            except Exception as error:
                if not questions:
                    logger.exception("the standings cannot be read")
                for _selection, future in questions:
                    future.set_exception(error)
                connection.close()
                self._read_file = None  # what lies in memory is of another one
                return len(questions) == len(waiting)
            for selection, future in questions:
                try:
                    future.set_result(self._answer(selection))
                except Exception as error:
                    future.set_exception(error)
            self._rank_wanted()
        return len(questions) == len(waiting)

    def _connect(self) -> None:
        """Keep the thread's connection while it is one to the database that others see.

        Making one takes longer than a look. A file that was moved away or replaced is noticed.
        """
        file = _file()
        old = time.monotonic() - self._connected_at > CONNECTION_S
        if connection.errors_occurred or old or file != self._read_file:
            connection.close()
            self._read_file, self._connected_at = file, time.monotonic()

    def _rank_wanted(self) -> None:
        since = time.monotonic() - WANTED_S
        for view in list(self._views.values()):
            if view.dirty and view.wanted > since:
                view.rank(self._ledger)


live = Live()


def ranking(selection: Selection) -> Ranking:
    """The ranking of a selection; see `Live.ranking`."""
    return live.ranking(selection)
