"""Streams from the real server: cut, resumed, left alone, abandoned; on the tests' own database."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import socket
import sys
import threading
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from neurogame.asgi import application
from telemetry import export_api, export_stream
from telemetry.export import Selection
from telemetry.export_source import source_of
from telemetry.models import GameEvent
from tests.benchmarks.processes import free_port, running
from tests.interviews.chat_tools import served, until

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "dev-key-change-me"
EVENTS = 8000
FILLING = "x" * 2000  # 16 MB in all: more than the sockets between server and client hold


@pytest.fixture
def many():
    """Events that no socket's buffer takes at once; their `seq`s."""
    now = timezone.now()
    GameEvent.objects.bulk_create(
        (
            GameEvent(
                event_id=f"e{n}", event_type="t", effective_ts=now, received_at=now, user_id="u",
                raw=json.dumps({"event_id": f"e{n}", "filling": FILLING}),
            )
            for n in range(EVENTS)
        ),
        batch_size=1000,
    )  # fmt: skip
    return list(GameEvent.objects.order_by("seq").values_list("seq", flat=True))


@pytest.fixture
def server(transactional_db, tmp_path):
    """(port, process id) of `manage.py serve` on the database of the tests."""
    port = free_port()
    database = connection.settings_dict
    url = (
        settings.URL_DATABASE
        and urlsplit(settings.URL_DATABASE)._replace(path=f"/{database['NAME']}").geturl()
    )
    variables = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "DJANGO_SETTINGS_MODULE": "neurogame.settings",
        "NEUROGAME_ENV_FILE": "none",
        "NEUROGAME_DB_PATH": str(database["NAME"] if not url else tmp_path / "none.sqlite3"),
        "URL_DATABASE": url,
        "DEBUG": "1",
        "PORT": str(port),
    }
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    with running(command, variables=variables, port=port, log=tmp_path / "server.log") as process:
        yield port, process.pid


@contextlib.contextmanager
def asked(port: int, target: str):
    """The answer to a GET, its body not read yet; the client leaves at the end."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("GET", target, headers={"X-API-Key": KEY})
    answer = client.getresponse()
    try:
        yield answer
    finally:
        answer.close()
        client.close()


@contextlib.contextmanager
def database_failing():
    """The database fails under whoever reads events: the connection is killed, or the table gone."""
    table, hidden = GameEvent._meta.db_table, "hidden_events"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            try:
                yield lambda: until(killed)
            finally:
                cursor.execute("ROLLBACK")
        else:
            cursor.execute(f"ALTER TABLE {table} RENAME TO {hidden}")
            try:
                yield lambda: None
            finally:
                cursor.execute(f"ALTER TABLE {hidden} RENAME TO {table}")


def waiting() -> list[int]:
    """The backends of PostgreSQL that wait for a lock to copy events."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the first look
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE 'COPY%'"
        )
        return [pid for (pid,) in cursor.fetchall()]


def killed() -> bool:
    found = waiting()
    with connection.cursor() as cursor:
        for pid in found:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    return bool(found)


def read_on(answer: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """What still comes, and whether it came to its end."""
    parts = []
    try:
        while data := answer.read(100_000):
            parts.append(data)
    except http.client.IncompleteRead as cut:
        return b"".join([*parts, cut.partial]), False
    except ConnectionError:
        return b"".join(parts), False
    return b"".join(parts), True


def seqs_of(data: bytes) -> list[int]:
    """Of the lines that are whole."""
    return [json.loads(line)["seq"] for line in data.split(b"\n")[:-1]]


def test_a_stream_that_fails_is_seen_and_taken_up_again(server, many):
    port, _pid = server
    with asked(port, "/v1/export/raw?format=ndjson") as answer:
        assert answer.status == 200
        as_of = answer.headers["X-Neurogame-As-Of"]
        taken = answer.read(100_000)
        with database_failing() as strike:
            rest = threading.Thread(target=strike)
            rest.start()
            more, is_whole = read_on(answer)
            rest.join()
    assert not is_whole
    taken += more
    begun = seqs_of(taken)
    assert begun == many[: len(begun)]
    assert 0 < len(begun) < EVENTS
    target = f"/v1/export/raw?format=ndjson&after={begun[-1]}&as_of={as_of}"
    with asked(port, target) as answer:
        assert begun + seqs_of(answer.read()) == many


def test_a_client_that_does_not_read_holds_nothing_in_the_database(server, many):
    port, _pid = server
    with asked(port, "/v1/export/raw?format=ndjson") as answer:
        assert answer.read(10)
        until(nothing_is_held)
        assert seqs_of(b'{"seq":%d}\n' % many[0] + answer.read().partition(b"\n")[2]) == many


def test_many_clients_that_do_not_read_leave_the_database_to_others(server, many):
    port, _pid = server
    with contextlib.ExitStack() as stack:
        for _number in range(25):  # more than the pool of PostgreSQL holds
            answer = stack.enter_context(asked(port, "/v1/export/raw?format=ndjson"))
            assert answer.read(10)
        with asked(port, "/v1/export/raw?limit=1") as other:
            assert json.loads(other.read())["total"] == EVENTS


def nothing_is_held() -> bool:
    """No snapshot of PostgreSQL; of SQLite no page of the log that cannot be written back."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR xact_start NOTNULL)"
            )
            return bool(cursor.fetchone()[0])
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return cursor.fetchone()[0] == 0


def test_a_client_that_leaves_closes_its_connection(many, monkeypatch):
    readers = []

    class Kept(export_stream.Reader):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            readers.append(self)

    monkeypatch.setattr(export_api, "Reader", Kept)
    with served(application) as url:
        port = int(url.rpartition(":")[2])
        with asked(port, "/v1/export/raw?format=ndjson") as answer:
            assert answer.read(10)
            (reader,) = readers
            assert not reader.ended
        until(lambda: reader.ended and reader.source._connection.connection is None)
    assert not reader.is_whole


@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet"])
def test_others_are_answered_while_a_big_export_runs(server, many, form):
    port, _pid = server
    with asked(port, f"/v1/export/raw?format={form}") as answer:
        first = answer.read(1)
        with asked(port, "/v1/export/raw?limit=1") as other:
            assert json.loads(other.read())["total"] == EVENTS
        with asked(port, "/health") as health:
            assert json.loads(health.read())["checks"]["database"] == "ok"
        assert first
        while answer.read(1 << 20):
            pass


if connection.vendor == "postgresql":  # where a reader can be made to wait

    def test_a_client_that_leaves_ends_its_statement(server, many):
        port, _pid = server
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request("GET", "/v1/export/raw?format=ndjson", headers={"X-API-Key": KEY})
        answer = client.getresponse()
        assert answer.read(10)
        with database_failing():
            drain = threading.Thread(target=read_on, args=(answer,))
            drain.start()
            until(waiting)
            client.sock.shutdown(socket.SHUT_RDWR)
            until(lambda: not waiting())
        drain.join()
        client.close()


# --- In this process ----------------------------------------------------------------------------


class Counting(export_stream.Reader):
    reads = 0

    def read(self):
        self.reads += 1
        return super().read()


def test_one_page_is_read_ahead_and_no_more(many):
    selection = Selection().snapshot()

    async def take_two() -> list[int]:
        reader = Counting(selection, form="ndjson")
        parts = aiter(export_stream.Stream(reader))
        seen = []
        async with contextlib.aclosing(parts):
            for _turn in range(2):
                assert await anext(parts)
                seen.append(reader.reads)
        return seen

    first, second = asyncio.run(take_two())
    assert first <= 2
    assert second <= 3


def test_a_reader_that_is_stopped_opens_nothing_again(many):
    reader = export_stream.Reader(Selection().snapshot(), form="ndjson")
    assert reader.read()
    reader.stop()
    assert reader.read() is None
    assert reader.source._connection.connection is None


def test_a_statement_under_way_is_ended():
    source = source_of(Selection(as_of=0))
    with source.connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    timer = threading.Timer(0.1, source.interrupt)
    timer.start()
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"
    with source.connection.cursor() as cursor, pytest.raises(OperationalError):
        cursor.execute(endless)
    timer.join()
    source.close()


def test_a_failure_ends_an_export(many):
    reader = export_stream.Reader(Selection().snapshot(), form="ndjson")
    assert reader.read()
    reader.source._statements.clear()
    reader.source.line = "no_such_column"
    with pytest.raises(Exception, match="no_such_column"):
        reader.read()
    assert reader.read() is None
    assert reader.source._connection.connection is None


def test_who_watches_cannot_stop_an_export(many, caplog):
    def broken(_reader):
        raise ConnectionError("the cache is away")

    reader = export_stream.Reader(Selection().snapshot(), form="csv", watch=broken)
    data = b"".join(iter(reader.read, None))
    assert data.count(b"\r\n") == EVENTS + 1
    assert [record.message for record in caplog.records] == [
        "the progress of an export could not be kept"
    ]
