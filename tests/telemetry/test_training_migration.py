"""The migration of model versions keeps what is registered, forwards and backwards."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.telemetry.server import ServerProcess

INSERT = (
    "INSERT INTO telemetry_modelversion (name, status, kind, metrics, params, manifest, artefact, "
    "first_seen_at, created_at, notes) VALUES (?, ?, 'elo', '{\"auc\": 0.7}', '{}', '{}', 'a', "
    "'2026-01-01', ?, 'kept')"
)


def test_rows_are_kept_and_one_champion_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEUROGAME_TEST_POSTGRES", raising=False)  # it writes by sqlite3
    product = ServerProcess(tmp_path)

    def migrate(*to: str) -> None:
        done = product.manage("migrate", "-v0", *to)
        assert done.returncode == 0, done.stderr

    def rows(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
        query = "SELECT name, status, kind, metrics, notes FROM telemetry_modelversion ORDER BY id"
        return connection.execute(query).fetchall()

    migrate("telemetry", "0002_baseline")
    with contextlib.closing(sqlite3.connect(product.env["NEUROGAME_DB_PATH"])) as connection:
        for number, status in enumerate(("champion", "champion", "registered", "unregistered")):
            connection.execute(INSERT, (f"m{number}", status, f"2026-01-0{number + 1}"))
        connection.commit()
        before = rows(connection)
        migrate()
        expected = [
            (name, "archived" if name == "m0" else status, *rest) for name, status, *rest in before
        ]
        assert rows(connection) == expected
        with pytest.raises(sqlite3.IntegrityError, match="never changes"):
            connection.execute("UPDATE telemetry_modelversion SET params = '{}x' WHERE name = 'm1'")
        connection.rollback()
        migrate("telemetry", "0002_baseline")
        assert rows(connection) == expected
        connection.execute("UPDATE telemetry_modelversion SET params = '{}' WHERE name = 'm1'")
        connection.commit()
        migrate()
        assert rows(connection) == expected
