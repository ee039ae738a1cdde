"""The game client against a real HTTP server: what it sends and how it takes every answer."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from telemetry import client as client_module
from telemetry.client import Client, uuid7
from tests.telemetry.collector import OK, Collector, problem

QUICK = {"flush_interval": 0.02, "backoff_base": 0.01, "backoff_cap": 0.05, "adopt_interval": 0.05}


@pytest.fixture
def make(tmp_path: Path, collector: Collector) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def build(**options: Any) -> Client:
        settings = {"url": collector.url, "spool_dir": tmp_path / "spool", **QUICK, **options}
        made.append(Client(**settings))
        return made[-1]

    yield build
    for client in made:
        client.close(0.2)


def trial(client: Client, number: int = 0, **payload: Any) -> str | None:
    return client.track(
        "task_result", user_id="u_1", payload={"correct": True, "rt_ms": number, **payload}
    )


def segments(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*.jsonl") if path.name != "rejected.jsonl")


# What it sends ---------------------------------------------------------------------------------


def test_envelope_is_the_contracts(make: Callable[..., Client], collector: Collector) -> None:
    client = make(api_key="secret", client_version="1.2.0")
    event_id = client.track(
        "task_result",
        user_id="u_42",
        session_id="s_1",
        model_version="baseline_v1",
        payload={"correct": True, "rt_ms": 1260, "word": "кот"},
        level=3,
    )
    assert client.flush()
    (request,) = collector.requests
    event = request["body"]["events"][0]
    sent_at = datetime.fromisoformat(event.pop("event_ts"))
    assert abs(datetime.now(UTC) - sent_at) < timedelta(minutes=1)
    assert request["body"] == {
        "api_key": "secret",
        "client_version": "1.2.0",
        "events": [
            {
                "event_id": event_id,
                "event_type": "task_result",
                "user_id": "u_42",
                "session_id": "s_1",
                "model_version": "baseline_v1",
                "payload": {"correct": True, "rt_ms": 1260, "word": "кот"},
                "level": 3,
            }
        ],
    }
    assert request["headers"]["Content-Type"] == "application/json"
    assert request["headers"]["Content-Encoding"] == "gzip"


def test_optional_fields_are_left_out(make: Callable[..., Client], collector: Collector) -> None:
    client = make()
    client.track("app_open", user_id="u_1")
    assert client.flush()
    body = collector.requests[0]["body"]
    assert set(body) == {"api_key", "events"}
    assert set(body["events"][0]) == {"event_id", "event_type", "event_ts", "user_id", "payload"}
    assert body["events"][0]["payload"] == {}


def test_variables_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, collector: Collector
) -> None:
    monkeypatch.setenv("NEUROGAME_TELEMETRY_URL", collector.url)
    monkeypatch.setenv("NEUROGAME_TELEMETRY_API_KEY", "from-environment")
    monkeypatch.setenv("NEUROGAME_CLIENT_VERSION", "9.9")
    monkeypatch.setenv("NEUROGAME_TELEMETRY_SPOOL", str(tmp_path / "spool"))
    with Client() as client:
        trial(client)
    assert collector.requests[0]["body"]["api_key"] == "from-environment"
    assert collector.requests[0]["body"]["client_version"] == "9.9"


def test_defaults_are_the_contracts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("URL", "API_KEY", "SPOOL"):
        monkeypatch.delenv(f"NEUROGAME_TELEMETRY_{name}", raising=False)
    monkeypatch.setenv("NEUROGAME_CLIENT_VERSION", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    client = Client()
    assert client.url == "http://127.0.0.1:8000/v1/events"
    assert client.api_key == "dev-key-change-me"
    assert client.client_version == ""
    assert not list(tmp_path.iterdir())


def test_event_is_fixed_at_creation(make: Callable[..., Client], collector: Collector) -> None:
    client = make(flush_interval=60)
    payload = {"correct": True, "rt_ms": 5, "deep": {"a": 1}}
    client.track("task_result", user_id="u_1", payload=payload)
    payload["rt_ms"] = 6
    payload["deep"]["a"] = 2  # type: ignore[index]
    assert client.flush()
    assert collector.events()[0]["payload"] == {"correct": True, "rt_ms": 5, "deep": {"a": 1}}


def test_time_and_id_of_a_recorded_event_are_kept(
    make: Callable[..., Client], collector: Collector
) -> None:
    client = make()
    moment = datetime(2026, 2, 17, 15, 5, 11, tzinfo=timezone(timedelta(hours=3)))
    assert client.track("x", user_id="u", event_id="01HX", event_ts=moment) == "01HX"
    client.track("x", user_id="u", event_id="01HY", event_ts="2026-02-17T12:05:11Z")
    assert client.flush()
    assert [(event["event_id"], event["event_ts"]) for event in collector.events()] == [
        ("01HX", "2026-02-17T12:05:11.000000Z"),
        ("01HY", "2026-02-17T12:05:11Z"),
    ]


def test_uuid7_has_its_version_its_variant_and_the_time() -> None:
    before = time.time_ns() // 1_000_000
    ids = [uuid7() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(ids)) == 1000
    for one in ids:
        assert re.fullmatch(
            r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one
        )
        assert before <= int(one.replace("-", "")[:12], 16) <= after


def test_batches_keep_both_limits(make: Callable[..., Client], collector: Collector) -> None:
    client = make(compress=False, flush_interval=60)
    ids = [trial(client, number) for number in range(1234)]
    ids += [trial(client, number, blob="x" * 30_000) for number in range(80)]
    assert client.flush(20)
    assert collector.accepted() == dict.fromkeys(ids, 1)
    assert max(len(request["body"]["events"]) for request in collector.requests) == 500
    assert max(request["bytes"] for request in collector.requests) < 1 << 20
    assert [event["event_id"] for event in collector.events()] == ids


def test_a_batch_is_sent_by_age(make: Callable[..., Client], collector: Collector) -> None:
    client = make(flush_interval=0.2)
    began = time.monotonic()
    trial(client)
    collector.wait_for(lambda: len(collector.requests) == 1)
    assert collector.requests[0]["at"] - began >= 0.2


@pytest.mark.parametrize(
    ("limit", "filler"), [({"batch_size": 50}, 0), ({"max_batch_bytes": 20_000}, 900)]
)
def test_a_full_batch_is_sent_before_its_age(
    make: Callable[..., Client], collector: Collector, limit: dict[str, int], filler: int
) -> None:
    client = make(flush_interval=3600, compress=False, **limit)
    for number in range(60):
        trial(client, number, filler="x" * filler)
    collector.wait_for(lambda: len(collector.requests) >= 1)
    (first, *_rest) = collector.requests
    assert first["bytes"] <= 20_000 or len(first["body"]["events"]) == 50
    assert client.pending() > 0  # the rest is young, and waits


def test_threads_lose_and_double_nothing(make: Callable[..., Client], collector: Collector) -> None:
    client = make()
    ids: list[str | None] = []

    def play() -> None:
        for number in range(300):
            ids.append(trial(client, number))

    threads = [threading.Thread(target=play) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(20)
    assert collector.accepted() == dict.fromkeys(ids, 1)
    assert client.stats()["tracked"] == client.stats()["delivered"] == 2400


# How it takes the server's answers -----------------------------------------------------------------


def test_refused_connection_keeps_everything_and_never_blocks(
    make: Callable[..., Client], collector: Collector, tmp_path: Path
) -> None:
    collector.stop()
    client = make()
    began = time.monotonic()
    ids = [trial(client, number) for number in range(1000)]
    assert time.monotonic() - began < 2
    assert not client.flush(0.3)
    assert client.stats()["pending"] == 1000
    assert "refused" in client.stats()["last_error"]
    collector.start()
    assert client.flush(10)
    assert collector.accepted() == dict.fromkeys(ids, 1)
    assert segments(tmp_path / "spool") == []


def test_wrong_key_keeps_everything_until_it_is_right(
    make: Callable[..., Client], collector: Collector
) -> None:
    known = {"late"}

    def script(events: list[dict[str, Any]]) -> Any:
        return OK if client.api_key in known else problem(401)

    client = make(api_key="early")
    collector.script = script
    event_id = trial(client)
    collector.wait_for(lambda: len(collector.requests) >= 3)
    assert set(collector.statuses()) == {401}
    known.add("early")
    assert client.flush()
    assert collector.accepted() == {event_id: 1}


@pytest.mark.parametrize("status", [403, 404, 408, 429, 500, 502, 503])
def test_other_failures_keep_everything(
    make: Callable[..., Client], collector: Collector, status: int
) -> None:
    answers = [problem(status), problem(status), OK]
    collector.script = lambda events: answers.pop(0)
    client = make()
    event_id = trial(client)
    collector.wait_for(lambda: len(collector.requests) == 3)
    assert client.flush()
    assert collector.accepted() == {event_id: 1}
    assert (client.stats()["retries"], client.stats()["rejected"]) == (2, 0)


def test_413_halves_the_batch(make: Callable[..., Client], collector: Collector) -> None:
    collector.script = lambda events: OK if len(events) <= 60 else problem(413)
    client = make()
    ids = [trial(client, number) for number in range(500)]
    assert client.flush()
    assert collector.accepted() == dict.fromkeys(ids, 1)
    assert [event["event_id"] for event in collector.events()] == ids


def test_413_for_one_event_sets_it_aside_alone(
    make: Callable[..., Client], collector: Collector, tmp_path: Path
) -> None:
    client = make(flush_interval=60)
    ids = [trial(client, number) for number in range(10)]
    collector.script = lambda events: (
        problem(413) if ids[3] in [e["event_id"] for e in events] else OK
    )
    assert client.flush()
    assert collector.accepted() == dict.fromkeys(ids[:3] + ids[4:], 1)
    (line,) = (tmp_path / "spool" / "rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["event"]["event_id"] == ids[3]


def test_failure_between_halves_repeats_only_what_is_left(
    make: Callable[..., Client], collector: Collector
) -> None:
    answers = [problem(413), OK, problem(500), problem(413), OK, OK]
    collector.script = lambda events: answers.pop(0)
    client = make(flush_interval=60)
    ids = [trial(client, number) for number in range(8)]
    assert client.flush()
    sizes = [len(request["body"]["events"]) for request in collector.requests]
    assert sizes == [8, 4, 4, 4, 2, 2]
    assert collector.accepted() == dict.fromkeys(ids, 1)
    assert client.stats()["delivered"] == 8


def test_400_drops_the_batch_and_says_so_once(
    make: Callable[..., Client],
    collector: Collector,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = [problem(400), problem(400), OK]
    collector.script = lambda events: answers.pop(0)
    client = make(flush_interval=60)
    with caplog.at_level(logging.WARNING):
        ids = []
        for _ in range(3):
            ids.append(trial(client))
            assert client.flush()
    assert collector.accepted() == {ids[2]: 1}
    assert len(collector.requests) == 3
    assert client.stats()["rejected"] == 2
    kept = [
        json.loads(line)
        for line in (tmp_path / "spool" / "rejected.jsonl").read_text().splitlines()
    ]
    assert [line["event"]["event_id"] for line in kept] == ids[:2]
    assert [line["status"] for line in kept] == [400, 400]
    assert len([record for record in caplog.records if "400" in record.getMessage()]) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(
    make: Callable[..., Client], collector: Collector, status: int
) -> None:
    answers = [problem(status, Retry_After="1"), OK]
    collector.script = lambda events: answers.pop(0)
    client = make()
    trial(client)
    collector.wait_for(lambda: len(collector.requests) == 1)
    assert client.flush(10)  # not even a flush may come earlier
    first, second = (request["at"] for request in collector.requests)
    assert 1.0 <= second - first < 3.0


def test_retry_after_may_be_a_date() -> None:
    headers = {"Retry-After": "Tue, 17 Feb 2026 12:05:11 GMT"}
    now = datetime(2026, 2, 17, 12, 5, 1, tzinfo=UTC).timestamp()
    assert client_module._retry_after(headers, lambda: now) == 10.0
    assert client_module._retry_after(headers, lambda: now + 60) == 0.0
    for odd in ("soon", "-5", "1.5", ""):
        assert client_module._retry_after({"Retry-After": odd}, lambda: now) == 0.0


class Longest(random.Random):
    """The largest back-off that the jitter allows."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_back_off_doubles_up_to_its_cap(make: Callable[..., Client], collector: Collector) -> None:
    collector.script = lambda events: problem(500)
    client = make(backoff_base=0.05, backoff_cap=0.2, rng=Longest())
    trial(client)
    collector.wait_for(lambda: len(collector.requests) == 5)
    times = [request["at"] for request in collector.requests]
    gaps = [after - before for before, after in pairwise(times)]
    for gap, least in zip(gaps, [0.05, 0.1, 0.2, 0.2], strict=True):
        assert gap >= least - 0.005


class Recording(random.Random):
    """Notes the bounds that waits are drawn from, and waits little."""

    def __init__(self) -> None:
        super().__init__()
        self.bounds: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.bounds.append((a, b))
        return 0.001


def test_back_off_is_drawn_from_the_whole_of_a_doubling_interval(
    make: Callable[..., Client], collector: Collector
) -> None:
    """Full jitter: a thousand games that lost the same server do not come back together."""
    collector.script = lambda events: problem(500)
    rng = Recording()
    client = make(backoff_base=1, backoff_cap=5, rng=rng)
    trial(client)
    collector.wait_for(lambda: len(collector.requests) >= 6)
    assert rng.bounds[:5] == [(0, 1), (0, 2), (0, 4), (0, 5), (0, 5)]


def test_slow_server_costs_the_game_nothing(
    make: Callable[..., Client], collector: Collector
) -> None:
    released = threading.Event()

    def script(events: list[dict[str, Any]]) -> Any:
        released.wait(20)
        return OK

    collector.script = script
    client = make(request_timeout=0.1)
    first = trial(client)
    assert not client.flush(0.4)
    began = time.monotonic()
    rest = [trial(client, number) for number in range(200)]
    assert time.monotonic() - began < 1
    assert client.stats()["retries"] >= 1
    released.set()
    assert client.flush(10)
    assert set(collector.accepted()) == {first, *rest}  # the first one perhaps more than once


def test_captive_portal_is_not_a_delivery(
    make: Callable[..., Client], collector: Collector
) -> None:
    portal = (200, {"Content-Type": "text/html"}, b"<h1>Welcome to our Wi-Fi</h1>")
    answers = [portal, (200, {}, b'{"ok": false}'), (200, {}, b""), (204, {}, b""), OK]
    collector.script = lambda events: answers.pop(0)
    client = make()
    event_id = trial(client)
    collector.wait_for(lambda: len(collector.requests) == 5)
    assert client.flush()
    assert collector.accepted() == {event_id: 1}


def test_redirect_is_not_followed(make: Callable[..., Client], collector: Collector) -> None:
    with Collector() as elsewhere:
        answers = [problem(status, Location=elsewhere.url) for status in (301, 302, 303, 307, 308)]
        collector.script = lambda events: answers.pop(0) if answers else OK
        client = make()
        event_id = trial(client)
        collector.wait_for(lambda: len(collector.requests) == 6)
        assert client.flush()
        assert elsewhere.requests == []
    assert collector.accepted() == {event_id: 1}


def test_415_sends_plain(make: Callable[..., Client], collector: Collector) -> None:
    answers = [problem(415), OK, OK]
    collector.script = lambda events: answers.pop(0)
    client = make()
    for _ in range(2):
        trial(client)
        assert client.flush()
    encodings = [request["headers"].get("Content-Encoding") for request in collector.requests]
    assert encodings == ["gzip", None, None]


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/x", "file:///etc/passwd", "nonsense", "http://[::1", "http://127.0.0.1:0/"],
)
def test_address_that_cannot_work_keeps_everything(make: Callable[..., Client], url: str) -> None:
    client = make(url=url)
    assert trial(client)
    assert not client.flush(0.2)
    assert client.stats()["pending"] == 1
    assert client.stats()["last_error"]


# What the game may do wrong ------------------------------------------------------------------------


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no name")


def circular() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return loop


@pytest.mark.parametrize(
    "arguments",
    [
        {"payload": {"a": {1, 2}}},
        {"payload": {"rt_ms": float("nan")}},
        {"payload": circular()},
        {"payload": 17},
        {"payload": {("a", "b"): 1}},
        {"user_id": Hostile()},
        {"session_id": Hostile()},
        {"payload": {"blob": "x" * 2_000_000}},
    ],
)
def test_what_is_not_an_event_is_refused_without_an_exception(
    make: Callable[..., Client], collector: Collector, arguments: dict[str, Any]
) -> None:
    client = make()
    assert client.track("task_result", **{"user_id": "u_1", **arguments}) is None
    good = trial(client)
    assert client.flush()
    assert collector.accepted() == {good: 1}
    assert client.stats()["rejected"] == 1


def test_lone_surrogate_travels(make: Callable[..., Client], collector: Collector) -> None:
    client = make()
    client.track("x", user_id="u", payload={"text": "\ud800"})
    assert client.flush()
    assert collector.events()[0]["payload"] == {"text": "\ud800"}


def test_tracked_after_close_goes_to_the_next_start(
    make: Callable[..., Client], collector: Collector
) -> None:
    client = make()
    first = trial(client)
    assert client.close(5)
    late = [trial(client) for _ in range(3)]
    assert client.close(5) is False
    assert client.close(5) is False
    assert collector.accepted() == {first: 1}
    following = make()
    last = trial(following)
    collector.wait_for(lambda: len(collector.events()) == 5)
    assert collector.accepted() == dict.fromkeys([first, *late, last], 1)


def test_close_waits_no_longer_than_told(make: Callable[..., Client], collector: Collector) -> None:
    released = threading.Event()
    collector.script = lambda events: (released.wait(20), OK)[1]
    client = make()
    trial(client)
    began = time.monotonic()
    assert client.close(0.3) is False
    assert time.monotonic() - began < 2
    released.set()


def test_close_does_not_wait_for_a_key_to_become_right(
    make: Callable[..., Client], collector: Collector
) -> None:
    collector.script = lambda events: problem(401)
    client = make()
    trial(client)
    began = time.monotonic()
    assert client.close(20) is False
    assert time.monotonic() - began < 5


def test_log_and_files_never_carry_the_key(
    make: Callable[..., Client],
    collector: Collector,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = [problem(401), problem(400), problem(500)]
    collector.script = lambda events: answers.pop(0) if answers else OK
    client = make(api_key="very-secret-key")
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            trial(client)
            client.flush()
    assert caplog.text
    assert "very-secret-key" not in caplog.text
    for path in (tmp_path / "spool").iterdir():
        assert b"very-secret-key" not in path.read_bytes()


def test_spool_is_the_players_alone(
    make: Callable[..., Client], collector: Collector, tmp_path: Path
) -> None:
    collector.stop()
    client = make()
    trial(client)
    spool = tmp_path / "spool"
    assert os.stat(spool).st_mode & 0o777 == 0o700
    assert {os.stat(path).st_mode & 0o777 for path in spool.iterdir()} == {0o600}
