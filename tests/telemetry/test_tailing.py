"""A reader that follows the events by `seq` while many write misses none of them.

`seq` comes from a sequence, which hands out numbers before a transaction ends: without turns a
later number can be seen while an earlier one is not there yet, and a reader that went past it never
comes back. `test_without_turns_…` shows just that on PostgreSQL.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import threading

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from telemetry import ingest
from telemetry.models import GameEvent, QuarantinedEvent
from telemetry.wire import read_event
from tests.telemetry.server import ServerProcess

KEY = "dev-key-change-me"


def event(name, event_type="task_result"):
    return {
        "event_id": name, "event_type": event_type, "event_ts": "2026-02-17T12:00:00Z",
        "user_id": f"u_{name[0]}", "payload": {"correct": True, "rt_ms": 700},
    }  # fmt: skip


def batch(*names, **fields):
    now = timezone.now()
    raws = [json.dumps(event(name, **fields)).encode() for name in names]
    return ingest.Batch([read_event(raw, index, now) for index, raw in enumerate(raws)], now)


class Reader:
    """Pages by `after`, as a program that copies the events elsewhere does."""

    def __init__(self, page):
        self.page = page
        self.after = 0
        self.seqs = []
        self.ids = []

    def read(self):
        """Everything that is there now."""
        while True:
            events = self.page(self.after)
            if not events:
                return
            self.seqs += [row["seq"] for row in events]
            self.ids += [row["event_id"] for row in events]
            self.after = self.seqs[-1]


def reader_here():
    def page(after):
        address = f"/v1/export/raw?limit=7&after={after}"
        return Client().get(address, headers={"X-API-Key": KEY}).json()["events"]

    return Reader(page)


# --- Deterministic: one transaction stands open while another would overtake it --------------------


def by_request():
    ingest.take_turn()
    ingest.store(batch("a-first"))


def from_the_quarantine():
    row = QuarantinedEvent(index=0, reason="invalid_field", raw=json.dumps(event("a-first")))
    row.save()
    ingest.resubmit(row)


def overtaken(store, **fields):
    """(what is read while the transaction of `store` is open, what is read in all)."""
    stored, release = threading.Event(), threading.Event()

    def slow():
        try:
            with transaction.atomic():
                store()
                stored.set()
                assert release.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert stored.wait(30)
    writer, reader = ingest.Writer(), reader_here()
    try:
        future = writer.submit(batch("b-second", **fields))
        concurrent.futures.wait([future], timeout=1.0)
        reader.read()
        early = list(reader.ids)
        release.set()
        thread.join()
        assert future.result(30).accepted == 1
    finally:
        release.set()
        writer.close()
    reader.read()
    assert list(GameEvent.objects.order_by("seq").values_list("event_id", flat=True)) == [
        "a-first",
        "b-second",
    ]
    return early, reader.ids


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("store", [by_request, from_the_quarantine])
def test_nobody_overtakes_an_open_transaction(store):
    assert overtaken(store) == ([], ["a-first", "b-second"])


@pytest.mark.django_db(transaction=True)
def test_without_turns_a_reader_would_miss_an_event(monkeypatch):
    """Why there are turns. SQLite has one writer at a time anyway, and loses nothing either way.

    The second event is no trial: what is folded waits at the row that counts the standings' changes.
    """
    monkeypatch.setattr(ingest, "take_turn", lambda: None)
    early, read = overtaken(by_request, event_type="noise")
    if connection.vendor == "postgresql":
        assert (early, read) == (["b-second"], ["b-second"])
    else:
        assert (early, read) == ([], ["a-first", "b-second"])


# --- Under load ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_writers_and_the_quarantine_in_one_process():
    """Four writers and a person who submits quarantined events again, while one reads."""
    done, names = threading.Event(), []
    writers = [ingest.Writer() for _ in range(4)]
    rows = QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(index=0, reason="invalid_field", raw=json.dumps(event(f"q-{n}")))
        for n in range(60)
    )

    def resubmit():
        try:
            for row in rows:
                ingest.resubmit(row)
        finally:
            connection.close()

    def write(letter, writer):
        for number in range(60):
            mine = [f"{letter}-{number}-{n}" for n in range(5)]
            assert writer.submit(batch(*mine)).result(30).accepted == 5
            names.extend(mine)

    threads = [
        threading.Thread(target=write, args=pair) for pair in zip("abcd", writers, strict=True)
    ]
    threads.append(threading.Thread(target=resubmit))
    reader = reader_here()

    def wait():
        for thread in threads:
            thread.join()
        done.set()

    for thread in [*threads, threading.Thread(target=wait)]:
        thread.start()
    try:
        while not done.is_set():
            reader.read()
    finally:
        done.wait(60)
        for writer in writers:
            writer.close()
    reader.read()
    assert reader.seqs == sorted(set(reader.seqs))
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.ids) == {*names, *(f"q-{n}" for n in range(60))}


def test_two_server_processes_over_http(tmp_path):
    """Two servers on one database, three senders at each, and a reader that asks them in turn."""
    first = ServerProcess(tmp_path)
    second = None
    try:
        first.migrate()
        first.start()
        (tmp_path / "second").mkdir()
        second = ServerProcess(tmp_path / "second", same_as=first)
        second.start()
        ports = [first.port, second.port]
        names, refused = set(), []

        def write(letter, port):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            for number in range(40):
                mine = [f"{letter}-{number}-{n}" for n in range(10)]
                body = json.dumps({"api_key": KEY, "events": [event(name) for name in mine]})
                connection.request("POST", "/v1/events", body)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status == 200:
                    names.update(mine)
                else:
                    refused.append((answer.status, text))
            connection.close()

        turn = iter(range(10**9))

        def page(after):
            port = ports[next(turn) % 2]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(
                "GET", f"/v1/export/raw?limit=100&after={after}", headers={"X-API-Key": KEY}
            )
            events = json.loads(connection.getresponse().read())["events"]
            connection.close()
            return events

        reader = Reader(page)
        threads = [
            threading.Thread(target=write, args=(letter, ports[index % 2]))
            for index, letter in enumerate("abcdef")
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            reader.read()
        reader.read()
        assert refused == []
        assert len(names) == 2400
        assert reader.seqs == sorted(set(reader.seqs))
        assert len(reader.ids) == len(set(reader.ids))
        assert set(reader.ids) == names
    finally:
        for server in (second, first):
            if server is not None:
                server.close()
