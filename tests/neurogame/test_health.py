from __future__ import annotations

import threading

import pytest
from django.db import connection

from neurogame import health

pytestmark = pytest.mark.django_db(transaction=True)


def test_health_names_every_check(client):
    answer = client.get("/health")
    body = answer.json()
    assert (answer.status_code, body["ok"]) == (200, True)
    assert set(body["checks"]) == {"database", "migrations", "sandbox", "bus", "llm"}
    assert (body["checks"]["bus"], body["checks"]["llm"]) == ("memory", "scripted")


def test_health_is_503_when_a_vital_check_fails(client, monkeypatch):
    def broken():
        raise OSError("no database")

    monkeypatch.setitem(health._checks, "database", (broken, True))
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["ok"]) == (503, False)
    assert answer.json()["checks"]["database"] == "error: OSError"


def test_health_answers_though_a_check_hangs(client, monkeypatch):
    release = threading.Event()
    monkeypatch.setitem(health._checks, "sandbox", (lambda: str(release.wait(30)), False))
    try:
        body = client.get("/health").json()
    finally:
        release.set()
    assert (body["ok"], body["checks"]["sandbox"]) == (True, "timeout")


def test_health_finds_missing_migrations(client):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM django_migrations WHERE app = 'leaderboard' ORDER BY id")
        applied = [name for (name,) in cursor.fetchall()]
        cursor.execute("DELETE FROM django_migrations WHERE app = 'leaderboard'")
    try:
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["checks"]["migrations"]) == (503, "missing")
    finally:
        from django.db.migrations.recorder import MigrationRecorder

        for name in applied:
            MigrationRecorder(connection).record_applied("leaderboard", name)


def test_with_runner_hosts_health_asks_for_them(client, monkeypatch):
    class NoHosts:
        def status(self):
            return "unavailable"

    monkeypatch.setattr("tasks.runners.get_runner", NoHosts)
    assert client.get("/health").json()["checks"]["sandbox"] == "unavailable"


def test_health_says_why_no_program_runs(client, settings):
    settings.SANDBOX = "chroot"
    body = client.get("/health").json()
    assert (body["ok"], body["checks"]["sandbox"]) == (True, "unavailable")
    assert list(body["reasons"]) == ["sandbox"]
    assert "SANDBOX='chroot' is unknown" in body["reasons"]["sandbox"]
