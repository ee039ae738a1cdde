"""The game client across crashes: killed games and servers, torn files, full disks, forks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry.client import Client
from tests.telemetry.collector import OK, Collector, problem
from tests.telemetry.games import ENDLESS, ROOT, deliver_rest, finish, kill, successor


def test_killed_game_loses_no_tracked_event_offline(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    collector.stop()
    process = game(ENDLESS)
    assert process.stdout is not None
    seen = [process.stdout.readline().strip() for _ in range(1700)]
    seen += kill(process)
    collector.start()
    stats = deliver_rest(collector, spool)
    assert set(seen) <= set(collector.accepted())
    assert max(collector.accepted().values()) == 1
    assert stats["adopted"] >= len(seen)  # type: ignore[operator]
    assert [path.name for path in spool.iterdir()] == []


def test_killed_game_loses_no_tracked_event_while_delivering(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    process = game(ENDLESS)
    assert process.stdout is not None
    seen = []
    while len(collector.requests) < 4:
        seen.append(process.stdout.readline().strip())
    seen += kill(process)
    deliver_rest(collector, spool)
    assert set(seen) <= set(collector.accepted())


def test_game_that_kills_itself_right_after_track(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    process = game(
        """
        import signal
        client = make(flush_interval=60)
        say(client.track("task_result", user_id="u_1"))
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    out, _ = process.communicate(timeout=30)
    deliver_rest(collector, spool)
    assert set(collector.accepted()) == {out.strip(), "next-start"}


def test_killed_server_loses_nothing_it_acknowledged_and_gets_the_rest(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path, tmp_path: Path
) -> None:
    stored = tmp_path / "acknowledged"

    def serve(port: int) -> tuple[subprocess.Popen[str], int]:
        program = ["-m", "tests.telemetry.collector", str(port), str(stored)]
        process = subprocess.Popen(
            [sys.executable, *program], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    server, port = serve(0)
    try:
        process = game(ENDLESS, url=f"http://127.0.0.1:{port}/v1/events")
        assert process.stdout is not None
        seen = [process.stdout.readline().strip() for _ in range(3000)]
        kill(server)
        seen += [process.stdout.readline().strip() for _ in range(3000)]
        server, _ = serve(port)
        seen += [process.stdout.readline().strip() for _ in range(1000)]
        seen += kill(process)
        with Client(
            f"http://127.0.0.1:{port}/v1/events", spool_dir=spool, flush_interval=0.02
        ) as client:
            client.track("app_open", user_id="u_2")
            assert client.flush(20)
        assert client.stats()["adopted"]
    finally:
        kill(server)
    assert set(seen) <= set(stored.read_text().split())


def test_exit_without_close_drains(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    process = game(
        """
        client = make(flush_interval=60)
        for number in range(700):
            say(client.track("task_result", user_id="u_1"))
        """
    )
    ids = finish(process)
    assert collector.accepted() == dict.fromkeys(ids, 1)
    assert list(spool.iterdir()) == []


def test_exit_offline_is_quick_and_keeps_everything(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    collector.stop()
    process = game(
        """
        import atexit, time
        began = []
        atexit.register(lambda: say(time.monotonic() - began[0]))
        client = make(flush_interval=60, drain_timeout=20)
        say(client.track("task_result", user_id="u_1"))
        began.append(time.monotonic())
        """
    )
    event_id, seconds = finish(process)
    assert float(seconds) < 5
    collector.start()
    deliver_rest(collector, spool)
    assert set(collector.accepted()) == {event_id, "next-start"}


def test_exit_is_bounded_by_its_timeout(
    game: Callable[..., subprocess.Popen[str]], collector: Collector
) -> None:
    collector.script = lambda events: problem(503, Retry_After="600")
    process = game(
        """
        client = make(drain_timeout=0.5)
        client.track("task_result", user_id="u_1")
        """
    )
    began = time.monotonic()
    finish(process)
    assert time.monotonic() - began < 10


# The spool -----------------------------------------------------------------------------------------


def orphan(spool: Path, *lines: bytes, name: str = "12345-dead.00000001.jsonl") -> None:
    spool.mkdir(exist_ok=True)
    header = json.dumps({"neurogame_spool": 1, "client_version": "0.9"}).encode()
    (spool / name).write_bytes(header + b"\n" + b"".join(lines))


def line(event_id: str) -> bytes:
    return json.dumps(
        {
            "event_id": event_id,
            "event_type": "x",
            "event_ts": "2026-02-17T12:00:00Z",
            "user_id": "u",
        }
    ).encode()


def test_torn_last_line_is_skipped(collector: Collector, spool: Path) -> None:
    orphan(spool, line("a") + b"\n", line("b") + b"\n", line("c")[:40])
    stats = deliver_rest(collector, spool)
    assert set(collector.accepted()) == {"a", "b", "next-start"}
    assert (stats["torn"], stats["pending"]) == (1, 0)
    assert list(spool.iterdir()) == []


def test_last_line_without_its_newline_is_whole(collector: Collector, spool: Path) -> None:
    orphan(spool, line("a") + b"\n", line("b"))
    stats = deliver_rest(collector, spool)
    assert set(collector.accepted()) == {"a", "b", "next-start"}
    assert (stats["torn"], stats["pending"]) == (0, 0)


def test_zeros_and_garbage_of_a_power_cut_are_skipped(collector: Collector, spool: Path) -> None:
    orphan(
        spool, line("a") + b"\n", b"\x00" * 300, b"\xff\xfe\n", b"[1]\n", b"\n", line("b") + b"\n"
    )
    orphan(spool, name="12345-dead.00000002.jsonl")
    (spool / "99-dead.00000001.jsonl").write_bytes(b"")
    (spool / "98-dead.00000001.jsonl").write_bytes(b'{"neurogame_sp')
    stats = deliver_rest(collector, spool)
    assert set(collector.accepted()) == {"a", "b", "next-start"}
    assert (stats["pending"], stats["lost"]) == (0, 0)
    assert list(spool.iterdir()) == []


def test_adopted_events_keep_the_version_of_their_game(collector: Collector, spool: Path) -> None:
    orphan(spool, line("a") + b"\n")
    deliver_rest(collector, spool)
    versions = {
        event["event_id"]: request["body"].get("client_version")
        for request in collector.requests
        for event in request["body"]["events"]
    }
    assert versions == {"a": "0.9", "next-start": None}


def test_orphan_of_another_configuration_is_cut_into_batches(
    collector: Collector, spool: Path
) -> None:
    orphan(spool, *[line(f"e{number}") + b"\n" for number in range(1300)])
    deliver_rest(collector, spool)
    assert len(collector.accepted()) == 1301
    assert max(len(request["body"]["events"]) for request in collector.requests) <= 500


def test_processes_share_a_spool_without_stealing(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    program = """
        client = make()
        for number in range(800):
            say(client.track("task_result", user_id="u_1"))
        client.close(20)
        """
    processes = [game(program) for _ in range(4)]
    ids = [event_id for process in processes for event_id in finish(process)]
    assert len(ids) == 3200
    assert collector.accepted() == dict.fromkeys(ids, 1)


def test_living_process_keeps_its_segments_until_it_ends(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    process = game(
        """
        client = make(flush_interval=600)
        say(client.track("task_result", user_id="u_1"))
        sys.stdin.read()
        """
    )
    assert process.stdout is not None
    held = process.stdout.readline().strip()
    with successor(collector, spool) as client:
        for number in range(5):
            client.track("app_open", user_id="u_2", event_id=f"own-{number}")
            assert client.flush()
        assert held not in collector.accepted()
        assert client.stats()["adopted"] == 0
        kill(process)
        collector.wait_for(lambda: held in collector.accepted())
    assert max(collector.accepted().values()) == 1


def test_lost_spool_directory_is_made_again(collector: Collector, spool: Path) -> None:
    with successor(collector, spool) as client:
        client.track("x", user_id="u")
        assert client.flush()
        for path in spool.iterdir():
            path.unlink()
        spool.rmdir()
        client.track("x", user_id="u", event_id="after")
        assert client.flush()
    assert "after" in collector.accepted()


def test_full_spool_refuses_the_newest(collector: Collector, spool: Path) -> None:
    collector.stop()
    client = Client(collector.url, spool_dir=spool, max_spool_bytes=20_000, flush_interval=0.02)
    answers = [client.track("x", user_id="u", payload={"n": number}) for number in range(500)]
    kept = [event_id for event_id in answers if event_id]
    assert answers[: len(kept)] == kept
    assert 50 < len(kept) < 500
    assert client.stats()["refused"] == 500 - len(kept)
    assert sum(path.stat().st_size for path in spool.iterdir()) <= 20_200
    collector.start()
    assert client.flush(10)
    assert collector.accepted() == dict.fromkeys(kept, 1)
    assert client.track("x", user_id="u")
    assert client.close(5)


def test_measuring_the_spool_misses_nothing_that_is_written_meanwhile(
    collector: Collector, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.stop()
    client = Client(collector.url, spool_dir=spool)
    assert client.track("x", user_id="u")
    stat, late = os.stat, []

    def stat_and_track(path, *args, **options):
        found = stat(path, *args, **options)
        if not late and str(path).startswith(str(spool)):
            late.append(path)
            assert client.track("x", user_id="u", payload={"late": "." * 500})
        return found

    monkeypatch.setattr(os, "stat", stat_and_track)
    client._adopt()
    monkeypatch.undo()
    assert late
    assert client.stats()["spool_bytes"] >= sum(file.stat().st_size for file in spool.iterdir())
    collector.start()
    assert client.close(10)


# The disk ------------------------------------------------------------------------------------------


def test_disk_that_takes_no_byte_still_delivers(
    game: Callable[..., subprocess.Popen[str]], collector: Collector
) -> None:
    process = game(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        client = make()
        for number in range(1200):
            say(client.track("task_result", user_id="u_1"))
        assert client.stats()["tracked"] == 1200
        assert client.close(20), client.stats()
        """
    )
    ids = finish(process)
    assert collector.accepted() == dict.fromkeys(ids, 1)


def test_disk_that_fills_up_in_the_middle_of_a_line(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    process = game(
        """
        import resource
        client = make(flush_interval=600)
        say(client.track("task_result", user_id="u_1"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        for number in range(100):
            say(client.track("task_result", user_id="u_1"))
        assert client.stats()["memory"] > 0
        assert client.close(20), client.stats()
        """
    )
    ids = finish(process)
    assert len(ids) == 101
    assert set(collector.accepted()) == set(ids)


def test_memory_is_bounded_when_neither_disk_nor_server_works(
    game: Callable[..., subprocess.Popen[str]], collector: Collector
) -> None:
    collector.stop()
    process = game(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        client = make(max_memory_bytes=5000)
        kept = [client.track("task_result", user_id="u_1") for number in range(300)]
        stats = client.stats()
        say(sum(one is not None for one in kept), stats["refused"], stats["memory"], stats["pending"])
        """
    )
    kept, refused, memory, pending = (int(word) for word in finish(process))
    assert kept == memory == pending
    assert kept + refused == 300
    assert 10 < kept < 60


def test_spool_path_that_is_a_file_still_delivers(collector: Collector, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with successor(collector, tmp_path / "file" / "spool") as client:
        event_id = client.track("x", user_id="u")
        assert client.flush()
    assert collector.accepted() == {event_id: 1}


# Forks ---------------------------------------------------------------------------------------------


def test_fork_divides_the_events_cleanly(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    process = game(
        """
        client = make(flush_interval=600)
        say(client.track("task_result", user_id="before"))
        child = os.fork()
        for number in range(20):
            say(client.track("task_result", user_id="child" if child == 0 else "parent"))
        assert client.stats()["tracked"] == (20 if child == 0 else 21)
        assert client.close(20), client.stats()
        if child:
            assert os.waitpid(child, 0)[1] == 0
        else:
            os._exit(0)
        """
    )
    ids = finish(process)
    assert len(ids) == 41
    assert collector.accepted() == dict.fromkeys(ids, 1)


def test_forked_child_that_just_vanishes_leaves_its_events_to_the_parent(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    process = game(
        """
        client = make(flush_interval=600)
        child = os.fork()
        if child == 0:
            say(client.track("task_result", user_id="child"))
            os._exit(0)
        os.waitpid(child, 0)
        say(client.track("task_result", user_id="parent"))
        assert client.close(20), client.stats()
        """
    )
    ids = finish(process)
    assert len(ids) == 2
    assert set(collector.accepted()) == set(ids)


def test_signal_handler_may_track(
    game: Callable[..., subprocess.Popen[str]], collector: Collector, spool: Path
) -> None:
    process = game(
        """
        import signal
        client = make()
        signal.signal(signal.SIGALRM, lambda *_: say(client.track("signal", user_id="u_1")))
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        for number in range(3000):
            say(client.track("task_result", user_id="u_1"))
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert client.close(20), client.stats()
        """
    )
    ids = finish(process)
    assert len(ids) > 3000
    assert collector.accepted() == dict.fromkeys(ids, 1)


def test_answers_are_counted(collector: Collector, spool: Path) -> None:
    header = {"X-Neurogame-Duplicate": "2", "X-Neurogame-Rejected": "1"}
    collector.script = lambda events: (200, header, OK[2])
    with successor(collector, spool) as client:
        for _ in range(5):
            client.track("x", user_id="u")
        assert client.flush()
    stats = client.stats()
    assert (stats["delivered"], stats["duplicate"] % 2, stats["quarantined"]) == (
        5,
        0,
        stats["batches"],
    )
    assert os.listdir(spool) == []
