"""Sections 1, 2 and 9 of the contract: what the environment switches, and what hangs or is gone."""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from tests.contract.product import KEY, ROOT, environment, manage, problem, running

SECRET = "0123456789abcdef" * 3
PRODUCTION = {"DEBUG": "0", "SECRET_KEY": SECRET, "NEUROGAME_API_KEY": "a-key-of-our-own-42"}


def without_demo_accounts(database, directory):
    """A copy of the database in which nobody is left."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "neurogame.sqlite3"
    shutil.copy(database, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE interviews_user SET is_active = 0")
        connection.commit()
    return path


def import_asgi(env):
    """Start what every ASGI server starts; (exit code, the last line of what it said)."""
    done = subprocess.run(
        [sys.executable, "-c", "import neurogame.asgi"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=90,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        ("SECRET_KEY", "SECRET_KEY"),
        ("NEUROGAME_API_KEY", "NEUROGAME_API_KEY"),
        ("", "demo password: "),
    ],
)
def test_production_does_not_start_with_what_everybody_knows(tmp_path, database, missing, word):
    variables = {name: value for name, value in PRODUCTION.items() if name != missing}
    directory = tmp_path / "server"
    if missing:
        without_demo_accounts(database, directory)
    else:
        directory.mkdir()
        shutil.copy(database, directory)
    env = environment(directory, **variables)
    code, said = import_asgi(env)
    assert code != 0
    assert "Neurogame does not start" in said
    assert word in said
    assert manage(env, "serve", "--port", "0").returncode != 0
    assert manage(env, "demo_accounts").returncode != 0


def test_production_does_not_start_with_a_renamed_demo_admin(tmp_path, database):
    directory = tmp_path / "server"
    path = without_demo_accounts(database, directory)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE interviews_user SET is_active = 1, nickname = 'boss', nickname_key = 'boss' "
            "WHERE nickname = 'admin'"
        )
        connection.commit()
    code, said = import_asgi(environment(directory, **PRODUCTION))
    assert code != 0
    assert "boss" in said


@pytest.fixture(scope="module")
def production(tmp_path_factory, database):
    """A server behind one proxy that speaks TLS."""
    directory = tmp_path_factory.mktemp("production")
    empty = without_demo_accounts(database, directory / "db")
    variables = {
        **PRODUCTION, "PUBLIC_URL": "https://iv.example.org", "TRUSTED_PROXIES": "1",
        "FRONTEND_ORIGIN": "https://app.example.org/, http://localhost:5173",
    }  # fmt: skip
    collected = manage(environment(directory, **PRODUCTION), "collectstatic", "--noinput", "-v0")
    assert collected.returncode == 0, collected.stderr
    with running(directory / "server", empty, **variables) as started:
        yield started


TLS = {"X_Forwarded_Proto": "https", "Host": "iv.example.org"}


def test_https_address_redirects_and_secures_cookies(production):
    plain = production.call("GET", "/", Host="iv.example.org")
    assert (plain.status, plain.headers["location"]) == (301, "https://iv.example.org/")
    page = production.call("GET", "/accounts/login/", **TLS)
    assert page.status == 200
    assert "; Secure" in page.headers["set-cookie"]
    assert page.headers["strict-transport-security"].startswith("max-age=31536000")
    assert production.call("GET", "/health").status == 200


def test_production_errors_show_no_code(production):
    page = production.call("GET", "/none", **TLS)
    assert page.status == 404
    assert b"urlpatterns" not in page.body
    problem(production.call("GET", "/v1/none", **TLS), 404, "not_found")
    problem(production.call("GET", "/v1/none", **{**TLS, "Host": "evil.org"}), 400, "bad_request")
    forged = {**TLS, "X_Forwarded_Host": "evil.org"}
    problem(production.call("GET", "/v1/none", **forged), 400, "bad_request")


def test_every_file_of_a_page_is_served_in_production(production):
    page = production.call("GET", "/interview/", **TLS).body.decode()
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert files
    for path in files:
        answer = production.call("GET", path, **TLS)
        assert (path, answer.status) == (path, 200)
        assert "access-control-allow-origin" not in answer.headers


def test_no_session_starts_without_an_invite_in_production(production):
    body = {"nickname": "newcomer", "password": "Corr3ct-horse-9"}
    made = production.call("POST", "/auth/register", body, **TLS)
    start = production.call(
        "POST", "/interview/start", {"track": "backend", "level": "junior"},
        token=made.json["access"], **TLS,
    )  # fmt: skip
    problem(start, 403, "not_invited")


def test_the_demo_password_cannot_be_chosen(product):
    body = {"nickname": "somebody", "password": "neurogame"}
    errors = problem(product.call("POST", "/auth/register", body), 400, "invalid", "errors")
    assert list(errors["errors"]) == ["password"]


@pytest.mark.parametrize("origin", ["https://app.example.org", "http://localhost:5173"])
def test_named_origins_may_call_the_api(production, origin):
    preflight = production.call(
        "OPTIONS", "/v1/events", Origin=origin, Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization,content-type,content-encoding,x-api-key",
        **TLS,
    )  # fmt: skip
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "x-api-key" in preflight.headers["access-control-allow-headers"]
    answer = production.call("POST", "/v1/events", {"events": []}, Origin=origin, **TLS)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, origin)
    assert "X-Neurogame-Accepted" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["/v1/leaderboard", "/auth/me", "/v1/none", "/health", "/"])
def test_other_origins_may_not(production, product, path):
    for server, headers in ((production, TLS), (product, {})):
        for origin in ("https://evil.example", "null"):
            answer = server.call("GET", path, Origin=origin, **headers)
            assert "access-control-allow-origin" not in answer.headers


def failed_logins(server, headers, count=11):
    body = {"login": "nobody-at-all", "password": "x"}
    return [server.call("POST", "/auth/login", body, **headers).status for _ in range(count)]


def test_forged_forwarding_is_not_believed(start):
    statuses = []
    server = start()
    for index in range(11):
        statuses += failed_logins(server, {"X_Forwarded_For": f"9.9.9.{index}"}, 1)
    assert statuses == [401] * 10 + [429]


def test_the_trusted_proxys_entry_counts_and_no_other(production):
    for index in range(11):
        forged = {**TLS, "X_Forwarded_For": f"9.9.9.{index}, 10.0.0.1"}
        status = failed_logins(production, forged, 1)
    assert status == [429]
    other = {**TLS, "X_Forwarded_For": "9.9.9.9, 10.0.0.2"}
    assert failed_logins(production, other, 1) == [401]


# --- What hangs or is gone ----------------------------------------------------------------------


def asked_of_the_database(server):
    return [
        ("POST", "/v1/events", {"events": [{"event_id": "x"}]}, {"X_API_Key": KEY}),
        ("GET", "/v1/leaderboard", None, {}),
        ("GET", "/v1/export/raw", None, {"X_API_Key": KEY}),
        ("GET", "/v1/export/raw?format=csv", None, {"X_API_Key": KEY}),
        ("POST", "/auth/login", {"login": "candidate", "password": "neurogame"}, {}),
    ]


@pytest.mark.parametrize("fate", ["removed", "garbage", "directory"])
def test_without_its_database_everything_is_503(start, fate):
    server = start()
    for suffix in ("-wal", "-shm", ""):
        server.database.with_name(server.database.name + suffix).unlink(missing_ok=True)
    if fate == "garbage":
        server.database.write_bytes(b"garbage" * 5000)
    elif fate == "directory":
        server.database.mkdir()
    began = time.monotonic()
    body = problem(server.call("GET", "/health"), 503, "unavailable", "checks")
    assert time.monotonic() - began < 1
    assert body["checks"]["migrations"] != "ok"
    for method, path, sent, headers in asked_of_the_database(server):
        answer = server.call(method, path, sent, **headers)
        problem(answer, 503, "unavailable")
    page = server.call("GET", "/leaderboard/")
    assert (page.status, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert page.headers["retry-after"]


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_without_redis_people_can_still_work(start, kind):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        if kind == "silent":
            listener.listen(64)
        else:
            listener.close()
        server = start(REDIS_URL=f"redis://127.0.0.1:{port}/0")
        began = time.monotonic()
        health = server.call("GET", "/health")
        assert time.monotonic() - began < 1
        assert (health.status, health.json["ok"]) == (200, True)
        assert health.json["checks"]["bus"] != "redis"
        login = {"login": "candidate", "password": "neurogame"}
        answer = server.call("POST", "/auth/login", login, timeout=60)
        assert answer.status == 200
        assert server.post_events([]).status == 200
        assert server.call("GET", "/v1/leaderboard").status == 200


def test_health_says_what_there_is(product):
    answer = product.call("GET", "/health")
    checks = answer.json["checks"]
    assert (answer.status, answer.json["ok"]) == (200, True)
    assert set(answer.json) == {"ok", "checks"}
    assert set(checks) == {"database", "migrations", "sandbox", "bus", "llm"}
    assert (checks["database"], checks["migrations"]) == ("ok", "ok")
    assert (checks["bus"], checks["llm"]) == ("memory", "scripted")
    assert product.call("HEAD", "/health").body == b""


def test_https_without_a_trusted_proxy_is_said(tmp_path):
    env = environment(tmp_path, **PRODUCTION, PUBLIC_URL="https://iv.example.org")
    done = manage(env, "check")
    assert done.returncode == 0
    assert "neurogame.W001" in done.stderr
    assert "W001" not in manage({**env, "TRUSTED_PROXIES": "1"}, "check").stderr
