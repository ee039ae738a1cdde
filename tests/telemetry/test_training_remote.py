"""Snapshots of another server: pages in any form, failures that pass, and those that do not."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from telemetry.training import snapshot
from telemetry.training.files import File
from telemetry.training.sources import MAX_SEQ, Export, SnapshotError
from tests.telemetry.planted import exported, population, write_ndjson

KEY = "ngk_secret"
Answer = tuple[int, dict[str, str], bytes]


class Server:
    """An export over HTTP; ``faults`` answer the first requests in its place."""

    def __init__(self, rows: list[dict[str, Any]], *, ndjson: bool = True) -> None:
        self.rows, self.ndjson = rows, ndjson
        self.faults: list[Callable[[dict[str, str]], Answer | None]] = []
        self.asked: list[dict[str, str]] = []
        self.keys: list[str | None] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
                owner.asked.append(query)
                owner.keys.append(self.headers["X-API-Key"])
                fault = owner.faults.pop(0) if owner.faults else None
                found = fault(query) if fault else owner.answer(query)
                if found is None:
                    self.close_connection = True
                    return
                status, headers, body = found
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()

    def answer(self, query: dict[str, str]) -> Answer:
        limit, after = int(query["limit"]), int(query.get("after", 0))
        rows = [row for row in self.rows if row["seq"] > after][int(query.get("offset", 0)) :]
        page = rows[:limit]
        if query.get("format") == "ndjson" and self.ndjson:
            body = "".join(json.dumps(row) + "\n" for row in page).encode()
            return 200, {"Content-Type": "application/x-ndjson"}, body
        cursor = page[-1]["seq"] if len(rows) > limit else None
        whole = {"ok": True, "events": page, "next_cursor": cursor, "total": len(self.rows)}
        return 200, {"Content-Type": "application/json"}, json.dumps(whole).encode()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return exported(population(players=3, trials=40))


@pytest.fixture
def server(rows: list[dict[str, Any]]) -> Iterator[Server]:
    made = Server(rows)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.training.sources.EXPORT_PAGE", 17)


def source(server: Server, **options: Any) -> Export:
    waits: list[float] = []
    return Export(server.url, KEY, pause=waits.append, **options)


def take(one: Any, directory: Path) -> snapshot.Snapshot:
    return snapshot.take(one, directory=directory / "s", work=directory / "w")


@pytest.mark.parametrize("ndjson", [True, False])
def test_pages_of_either_form_give_the_bytes_of_the_file(
    server: Server, rows: list[dict[str, Any]], tmp_path: Path, ndjson: bool
) -> None:
    server.ndjson = ndjson
    made = take(source(server), tmp_path / "remote")
    file = take(File(write_ndjson(rows, tmp_path / "e")), tmp_path / "file")
    assert made.sha256 == file.sha256
    assert made.path.read_bytes() == file.path.read_bytes()
    assert made.manifest["source"] == "export"
    assert set(server.keys) == {KEY}
    assert not any("api_key" in query for query in server.asked)
    afters = [int(query["after"]) for query in server.asked if "after" in query]
    assert afters == list(range(0, len(rows) + 1, 17))


def test_end_is_pinned_at_the_beginning(
    server: Server, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    last = len(rows)
    one = source(server)
    assert one.pin() == last
    server.rows = [*rows, {**rows[-1], "seq": last + 1, "event_id": "later"}]
    assert [row["seq"] for row in one.rows(after=-1, as_of=last)] == list(range(1, last + 1))
    assert source(server, as_of=5).pin() == 5
    server.rows = []
    assert source(server).pin() == 0


def test_events_that_vanish_while_the_end_is_looked_for(server: Server) -> None:
    first = server.answer({"limit": "1"})
    nothing = {"ok": True, "events": [], "next_cursor": None, "total": 0}
    gone = (200, {"Content-Type": "application/json"}, json.dumps(nothing).encode())
    server.faults = [lambda query: first, lambda query: gone]
    assert source(server).pin() == MAX_SEQ


FAULTS: dict[str, Callable[[dict[str, str]], Answer | None]] = {
    "hang up": lambda query: None,
    "busy": lambda query: (503, {"Retry-After": "1"}, b"{}"),
    "throttled": lambda query: (429, {}, b"{}"),
    "broken": lambda query: (500, {}, b"oh"),
    "cut": lambda query: (200, {"Content-Type": "application/x-ndjson", "Content-Length": "900"}, b"{"),
    "half a line": lambda query: (200, {"Content-Type": "application/x-ndjson"}, b'{"seq": 1'),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_failure_that_passes_is_waited_out(
    server: Server, rows: list[dict[str, Any]], fault: str
) -> None:
    waits: list[float] = []
    one = Export(server.url, KEY, pause=waits.append)
    server.faults = [FAULTS[fault]] * 3
    assert len(list(one.rows(after=-1, as_of=len(rows)))) == len(rows)
    assert waits == [1.0 if fault == "busy" else 0.5, 2.0, 8.0]


@pytest.mark.parametrize("fault", FAULTS)
def test_failure_that_stays_is_said(server: Server, fault: str) -> None:
    server.faults = [FAULTS[fault]] * 4
    with pytest.raises(SnapshotError, match=r"The export of 127\.0\.0\.1:\d+ (answered|cannot be)"):
        list(source(server).rows(after=-1, as_of=9))
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    "answer",
    [
        (401, {}, b"{}"),
        (404, {}, b"{}"),
        (302, {"Location": "http://127.0.0.1:9/"}, b""),
        (200, {"Content-Type": "text/html"}, b"<html>"),
        (200, {"Content-Type": "application/json"}, b"[]"),
        (200, {"Content-Type": "application/json"}, b'{"events": [1]}'),
        (200, {"Content-Type": "application/x-ndjson"}, b'{"seq": 1}\n'),
        (200, {"Content-Type": "application/x-ndjson"}, b"nothing\n"),
    ],
)
def test_answer_that_will_not_change_is_said_at_once(server: Server, answer: Answer) -> None:
    server.faults = [lambda query: answer]
    with pytest.raises(SnapshotError, match=r"The export of 127\.0\.0\.1:\d+ (answered|cannot be)"):
        list(source(server).rows(after=-1, as_of=9))
    assert len(server.asked) == 1


def test_server_that_ignores_the_cursor_is_no_endless_loop(server: Server) -> None:
    page = server.answer({"limit": "17", "format": "ndjson"})
    server.faults = [lambda query: page] * 3
    with pytest.raises(SnapshotError, match="not in the order of seq"):
        list(source(server).rows(after=-1, as_of=MAX_SEQ))


@pytest.mark.parametrize("url", ["ftp://there", "there", "http://", "http://[", "http://a:99999"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SnapshotError, match="must start with http"):
        Export(url, KEY)


def test_interrupted_snapshot_asks_only_for_the_rest(
    server: Server, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "ROW_GROUP", 40)
    fine = [server.answer] * 5
    server.faults = [*fine, *[FAULTS["broken"]] * 4]
    one = source(server, as_of=len(rows))
    with pytest.raises(SnapshotError):
        take(one, tmp_path)
    assert len(list((tmp_path / "w").glob("part-*"))) == 2  # of 85 rows
    server.asked.clear()
    made = take(one, tmp_path)
    assert server.asked[0]["after"] == "80"
    whole = take(File(write_ndjson(rows, tmp_path / "e")), tmp_path / "file")
    assert made.path.read_bytes() == whole.path.read_bytes()
