"""The board in memory: fresh within a second, in several processes, under every filter."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from leaderboard import rebuild, standings
from leaderboard.ledger import Ledger
from leaderboard.live import Live, Selection, live
from leaderboard.models import Board, PlayerHold
from telemetry import retention
from tests.desk import standing
from tests.leaderboard.play import play, store

WEEK = timedelta(days=6)


ALL = Selection()


def names(one: Live, selection: Selection = ALL) -> list[str]:
    return [row["user_id"] for row in one.ranking(selection).rows(limit=1000, min_tasks=1)]


def within_a_second(look, wanted) -> None:
    """`look()` is `wanted`, at the latest a second from now."""
    deadline = time.monotonic() + 1
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


@pytest.fixture
def running(transactional_db):
    """This process's board with its thread, as the server has it."""
    live.start()
    yield live
    live.stop()


@pytest.fixture
def elsewhere(transactional_db):
    """The board of another process, which hears of nothing and has to look."""
    other = Live()
    other.start()
    yield other
    other.stop()


@pytest.mark.django_db
def test_a_look_after_many_changes_equals_a_look_anew():
    """Every selection, kept up change by change, against one that is read whole."""
    chance = random.Random(2)
    today = timezone.now().date()
    kept = Live()
    selections = [
        Selection(window, task_type, model_version)
        for window, task_type, model_version in itertools.product(
            ("all", "week", "day"), (None, "stroop", "n_back"), (None, "m1", "m2")
        )
    ]
    for turn in range(6):
        for _cell in range(12):
            trials = chance.randrange(1, 200)
            milli = chance.randrange(-500, 900)
            rated = chance.choice([0, trials])
            standing(
                user_id=f"p{chance.randrange(8)}", task_type=chance.choice(["stroop", "n_back"]),
                model_version=chance.choice(["m1", "m2"]),
                day=today - timedelta(days=chance.choice([0, 1, 6, 7, 30])), trials=trials,
                points_milli=milli * trials, points_sq=milli * milli * trials + 10_000 * trials,
                rated=rated, difficulty_sum=700 * rated, difficulty_sq=700_000 * rated,
            )  # fmt: skip
        if turn == 3:
            PlayerHold.objects.create(user_id="p1", reason="odd")
        if turn == 4:
            PlayerHold.objects.update(state="released")
        anew = Live()
        for selection in selections:
            rows = kept.ranking(selection).rows(limit=1000, min_tasks=1)
            assert rows == anew.ranking(selection).rows(limit=1000, min_tasks=1)
            for limit, least in ((1, 1), (3, 50), (1000, 100)):
                some = kept.ranking(selection).rows(limit=limit, min_tasks=least)
                full = [row for row in rows if row["tasks"] >= least]
                assert [row["user_id"] for row in some] == [row["user_id"] for row in full[:limit]]
                assert [row["rank"] for row in some] == [
                    1 + sum(other["score"] > row["score"] for other in full) for row in some
                ]


@pytest.mark.django_db
def test_another_history_is_noticed():
    one = Live()
    store(play("a", 30))
    assert names(one) == ["a"]
    Board.objects.all().delete()
    for table in rebuild.TABLES:
        table.objects.all().delete()
    assert names(one) == []
    store(play("b", 30))
    assert names(one) == ["b"]
    rebuild.rebuild()
    assert names(one) == ["a", "b"]


@pytest.mark.django_db(transaction=True)
def test_an_erased_player_is_forgotten():
    one = Live()
    store(play("a", 30, session_id="s") + play("b", 30))
    PlayerHold.objects.create(user_id="b", reason="odd", state="released")
    assert names(one) == ["a", "b"]
    retention.prune(retention.Scope(user_id="a"))
    assert names(one) == ["b"]
    assert one.player("a") is None
    rebuild.rebuild()
    assert names(one) == ["b"]


@pytest.mark.django_db
def test_midnight_moves_the_windows(monkeypatch):
    from leaderboard import live as module

    today = timezone.now().date()
    for ago in (0, 6, 7):
        standing(user_id=f"ago{ago}", day=today - timedelta(days=ago))
    one = Live()
    assert names(one, Selection("day")) == ["ago0"]
    assert names(one, Selection("week")) == ["ago0", "ago6"]
    monkeypatch.setattr(module, "today", lambda: today + timedelta(days=1))
    assert names(one, Selection("day")) == []
    assert names(one, Selection("week")) == ["ago0"]
    standing(user_id="late", day=today + timedelta(days=1))
    assert names(one, Selection("day")) == ["late"]
    assert len(one._ledger.days) <= 7


@pytest.mark.django_db
def test_names_that_nobody_played_under_cost_nothing():
    one = Live()
    store(play("a", 30))
    for number in range(200):
        assert names(one, Selection("all", f"none{number}")) == []
        assert names(one, Selection("week", None, f"none{number}")) == []
    assert len(one._views) == 0


@pytest.mark.django_db
def test_views_are_bounded(monkeypatch):
    from leaderboard import live as module

    monkeypatch.setattr(module, "VIEWED_MOST", 1)
    one = Live()
    for number in range(20):
        standing(user_id="a", task_type=f"t{number}")
    for number in range(20):
        assert names(one, Selection("all", f"t{number}")) == ["a"]
    assert len(one._views) == module.VIEWS_LEAST


@pytest.mark.django_db
def test_a_long_ledger_is_read_page_by_page(monkeypatch):
    from leaderboard import ledger as module

    monkeypatch.setattr(module, "PAGE", 3)
    for number in range(10):
        standing(user_id=f"p{number}", points_milli=100 * number)
    read = Ledger()
    assert read.look(since=timezone.now().date() - WEEK) is None
    assert sorted(read.names) == [f"p{number}" for number in range(10)]
    assert read.totals.sums[4, : len(read.totals)].sum() == 4500


# --- With its thread ------------------------------------------------------------------------------


def test_what_is_stored_here_shows_at_once_and_elsewhere_within_a_second(running, elsewhere):
    for number in range(6):
        store(play(f"b{number}", 30, rt_ms=500))
        wanted = [f"b{one}" for one in range(number + 1)]
        assert sorted(names(running)) == wanted
        assert sorted(names(running, Selection("all", "default"))) == wanted
        within_a_second(lambda: sorted(names(elsewhere)), wanted)
        within_a_second(lambda: sorted(names(elsewhere, Selection("all", "default"))), wanted)


def test_a_decision_shows_within_a_second(running):
    store(play("a", 30) + play("b", 30))
    assert names(running) == ["a", "b"]
    row = PlayerHold.objects.create(user_id="a", reason="odd")
    within_a_second(lambda: names(running), ["b"])
    PlayerHold.objects.filter(pk=row.pk).update(state="released")
    within_a_second(lambda: names(running), ["a", "b"])
    PlayerHold.objects.filter(pk=row.pk).update(state="hidden")
    within_a_second(lambda: names(running), ["b"])


def test_after_a_pause_the_answer_is_not_an_old_one(elsewhere, monkeypatch):
    """Nobody has asked for a while: the thread sleeps, and the first who asks gets what is."""
    from leaderboard import live as module

    store(play("a", 30))
    within_a_second(lambda: names(elsewhere), ["a"])
    monkeypatch.setattr(module, "IDLE_S", 0.0)
    time.sleep(2 * module.FRESH_S)
    store(play("b", 30))
    assert names(elsewhere) == ["a", "b"]


def test_an_outage_is_said_and_passes(running):
    """What cannot be read is raised, and the thread lives on."""
    from django.db import OperationalError

    store(play("a", 30))
    assert names(running) == ["a"]
    real = Ledger.look

    def broken(self, *, since):
        raise OperationalError("away")

    Ledger.look = broken
    try:
        deadline = time.monotonic() + 5
        with contextlib.suppress(OperationalError):
            while names(running):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        with pytest.raises(OperationalError):
            names(running)
    finally:
        Ledger.look = real
    within_a_second(lambda: names(running) if running.running else None, ["a"])


def test_many_threads_ask_while_events_come(running):
    stop = threading.Event()
    faults: list[BaseException] = []

    def ask(number: int) -> None:
        try:
            while not stop.is_set():
                rows = running.ranking(
                    Selection(("all", "week")[number % 2], (None, "default")[number // 2])
                ).rows(limit=1000, min_tasks=1)
                scores = [row["score"] for row in rows]
                assert scores == sorted(scores, reverse=True)
                time.sleep(0.001)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(25):
            store(play(f"p{number}", 20, rt_ms=400 + 50 * number))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    within_a_second(lambda: len(names(running)), 25)


def test_the_loop_is_not_held_up_by_a_cold_selection(running):
    """While a selection is made ready in the thread, the event loop does other things."""
    store(play("a", 30))

    async def both() -> int:
        turns = 0
        with running._lock:  # the thread cannot answer
            task = asyncio.create_task(running.aranking(Selection("week")))
            for _turn in range(50):
                await asyncio.sleep(0.001)
                turns += 1
            assert not task.done()
        await asyncio.wait_for(task, 10)
        return turns

    assert asyncio.run(both()) == 50


@pytest.mark.django_db
def test_the_processs_own_board_is_what_the_functions_use():
    store(play("a", 30))
    assert standings.board() == live.ranking(Selection()).rows(limit=100, min_tasks=30)
