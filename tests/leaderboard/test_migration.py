"""From standings by day alone to totals and back, on the real migrations."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from leaderboard import jobs, rebuild, standings
from leaderboard.models import Board, Standing, Total
from tests.leaderboard.play import play, store


@pytest.mark.django_db(transaction=True)
def test_standings_of_the_old_table_are_kept_and_rebuilt_once():
    store(play("a", 40, rt_ms=500, session_id="s") + play("b", 30))
    rebuild.rebuild()  # so that another build than the first one counts
    board = standings.board()
    try:
        call_command("migrate", "leaderboard", "0001", verbosity=0)
        old = MigrationExecutor(connection).loader.project_state(("leaderboard", "0001_initial"))
        rows = old.apps.get_model("leaderboard", "Standing").objects
        assert dict(rows.values_list("user_id", "trials")) == {"a": 40, "b": 30}
    finally:
        call_command("migrate", "leaderboard", verbosity=0)
    assert standings.board() == board
    assert Board.objects.get().stale
    store(play("a", 5, start=100))
    assert dict(Total.objects.values_list("user_id", "trials")) == {"a": 45, "b": 30}
    assert jobs.keep_standings.call() == "rebuilt 2 cells"
    assert not Board.objects.get().stale
    assert rebuild.differences() == []
    assert Standing.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_empty_table_stays_empty():
    try:
        call_command("migrate", "leaderboard", "0001", verbosity=0)
    finally:
        call_command("migrate", "leaderboard", verbosity=0)
    assert not Board.objects.exists()
