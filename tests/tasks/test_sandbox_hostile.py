"""Programs that attack the sandbox, each contained as its own docstring expects.

Every one runs with the limits that this machine offers, with the watchdog alone and, where there is
an engine for the tests, in a container.
"""

import errno
import os
import re
import socket

import pytest

from tasks.sandbox.base import Status
from tasks.sandbox.engine import INODES
from tasks.sandbox.launch import UID
from tasks.sandbox.meters import MAX_PROCESSES
from tasks.spec import Limits

from .sandbox_support import EVERYWHERE, facts, hostile, marked, marker, processes_named, run

pytestmark = pytest.mark.parametrize("mode", EVERYWHERE)
LIMITS = Limits(time_s=2, memory_mb=256, output_kb=64)
SHORT = Limits(time_s=0.3, memory_mb=256, output_kb=64)


def attack(name, mode, limits=LIMITS, before=""):
    mark = marker()
    result = run(marked(mark, before + hostile(name)), mode=mode, limits=limits)
    assert processes_named(mark) == []
    return result


def answer(name, mode):
    mark = marker()
    source = marked(mark, hostile(name))
    result = run(source, "[2, 3]", mode=mode, entry="solve", limits=LIMITS)
    assert processes_named(mark) == []
    return result


def test_fork_bomb_ends_at_the_process_limit(mode):
    result = attack("a01", mode, Limits(time_s=1))
    (fact,) = facts(result)
    forked = int(fact.split()[1])
    assert 0 < forked < MAX_PROCESSES
    assert fact.endswith("errno 11")
    assert result.status is Status.TLE


def test_memory_bomb_is_stopped_at_the_limit(mode):
    result = attack("a02", mode)
    assert result.status is Status.MLE
    assert result.memory_kb < 2 * LIMITS.memory_mb * 1024


def test_memory_of_children_counts_together(mode):
    result = attack("a03", mode)
    assert result.status is Status.MLE
    assert facts(result) == []


def test_disk_fills_up_to_the_size_of_its_tmpfs(mode):
    result = attack("a04", mode)
    written = {}
    for fact in facts(result):
        found = re.match(r"(/\S*) MB (\d+) errno (\d+)", fact)
        if found:
            written[found[1]] = int(found[2])
    assert {path for path, mb in written.items() if mb} == {"/w", "/tmp", "/dev/shm"}
    assert sum(written.values()) <= 32 + 64 + 16
    if mode == "docker":  # a container's file systems have a limit of inodes of their own
        (inodes,) = [fact.split()[1:] for fact in facts(result) if fact.startswith("inodes")]
        assert 0 < int(inodes[0]) < INODES
        assert inodes[1] == str(errno.ENOSPC)
        assert result.status is Status.OK
    else:
        assert result.status in (Status.MLE, Status.TLE)


@pytest.mark.parametrize("name", ["a05", "a06"])
def test_flood_is_cut_at_the_cap(mode, name):
    result = attack(name, mode)
    assert result.status is Status.OLE
    assert result.truncated
    flooded = result.stdout if name == "a05" else result.stderr
    assert len(flooded) == LIMITS.output_kb * 1024


@pytest.mark.parametrize("name", ["a07", "a08"])
def test_neither_spinning_nor_sleeping_outlives_its_time(mode, name):
    result = attack(name, mode, SHORT)
    assert result.status is Status.TLE
    assert result.exit_signal == "SIGKILL"
    assert result.exit_code is None


def test_daemon_neither_delays_the_result_nor_survives(mode):
    result = attack("a09", mode)
    assert result.status is Status.OK
    assert facts(result) == ["main_done"]
    assert result.duration < LIMITS.wall_s
    assert processes_named("SBXSURVIVOR") == []


def test_network_is_out_of_reach(mode):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        port = server.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        abstract.bind("\0sbx_host_abstract")
        abstract.listen()
        result = attack(
            "a10", mode, before=f"with open('/w/target','w') as t: t.write('127.0.0.1 {port}')\n"
        )
        for listener in (server, abstract, datagrams):
            listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        with pytest.raises(BlockingIOError):
            abstract.accept()
        with pytest.raises(BlockingIOError):
            datagrams.recv(16)
    assert result.status is Status.OK
    assert "OPEN" not in result.stdout
    assert facts(result)[-1] == "proc_net_dev ['lo']"


def test_secrets_of_the_machine_show_nowhere(mode, monkeypatch, tmp_path):
    secret = "S3CR3T-canary"
    monkeypatch.setenv("CANARY", secret)
    file = tmp_path / "secret"
    file.write_text(secret)
    reading = f"import os\nprint('FACT file', os.path.exists({str(file)!r}))\n"
    result = attack("a11", mode, before=reading)
    assert facts(result) == [
        "file False",
        "secret_hits []",
        "shadow False",
        "bwrap_argv_visible False",
        "host_paths_in_mountinfo []",
        "env_keys ['HOME', 'LANG', 'MALLOC_ARENA_MAX', 'PATH', 'PWD', 'TMPDIR']",
        "kernel_cmdline_readable False",
    ]


def test_only_its_own_processes_are_visible(mode):
    result = attack("a12", mode)
    first, *reads = facts(result)
    supervisor = "python3" if mode == "docker" else "judge"
    assert first.startswith(f"pids 2 ['{supervisor}', 'mark")
    assert all(" errno " in read or read.endswith(("0 b''", "errno 5")) for read in reads)


def test_nothing_outside_its_directories_can_be_written(mode):
    result = attack("a13", mode)
    assert facts(result)[0] == "writable []"
    assert facts(result)[1].startswith("hardlink errno")


def test_traps_for_a_collector_catch_nobody(mode):
    result = attack("a14", mode)
    assert result.status is Status.OK
    assert facts(result)[-1] == "traps_set"


def test_there_are_no_sockets_to_talk_to(mode):
    assert facts(attack("a15", mode)) == ["sockets [] []"]


def test_namespaces_and_mounts_are_refused(mode):
    result = attack("a16", mode)
    assert len(facts(result)) == 9
    assert all(fact.split()[1] == "-1" for fact in facts(result))


def test_supervisor_cannot_be_attacked(mode):
    result = attack("a17", mode)
    assert result.status is Status.OK
    answers = dict(fact.rsplit(" ", 2)[:2] for fact in facts(result)[:4])
    assert set(answers.values()) == {"-1"}
    assert facts(result)[-1] == "still_alive"


def test_dangerous_system_calls_are_refused(mode):
    result = attack("a18", mode)
    assert len(facts(result)) == 27
    assert all(re.search(r"ret -1 errno (1|38|97)$", fact) for fact in facts(result))


def test_privileges_cannot_be_gained(mode):
    status, *attempts = facts(attack("a19", mode))
    assert "'CapEff:\\t0000000000000000', 'CapBnd:\\t0000000000000000', 'NoNewPrivs:\\t1'" in status
    uid = 65534 if mode == "docker" else UID
    assert f"'Uid:\\t{uid}\\t{uid}\\t{uid}\\t{uid}'" in status
    assert "'Seccomp:\\t2'" in status
    assert attempts[-1] == "suid_files []"
    assert all(" errno " in attempt for attempt in attempts[:-1])


def test_no_descriptor_leaks_in(mode):
    own = [fact for fact in facts(attack("a20", mode)) if fact.startswith("fd ")]
    assert [fact.split()[1] for fact in own] == ["0", "1", "2"]
    assert all("pipe:" in fact for fact in own)


def test_leaving_early_is_no_answer(mode):
    result = answer("a21", mode)
    assert result.status is Status.RTE
    assert not result.has_result
    assert result.protocol_error == "The program ended without returning an answer."


def test_verdicts_of_its_own_are_no_answer(mode):
    result = answer("a22", mode)
    assert result.status is Status.RTE
    assert not result.has_result
    assert result.protocol_error.startswith("Something that is not an answer")


def test_patched_modules_make_no_answer(mode):
    result = answer("a23", mode)
    assert facts(result) == ["found_expected []"]
    assert not result.has_result
    assert result.status is Status.RTE


@pytest.mark.parametrize("variant", ["", "import sys; sys.argv.append('zip')\n"])
def test_one_call_that_never_returns_is_stopped(mode, variant):
    result = attack("a24", mode, SHORT, before=variant)
    assert result.status in ((Status.TLE, Status.MLE) if variant else (Status.TLE,))
    assert result.memory_kb < 2 * LIMITS.memory_mb * 1024


def test_crash_is_reported_as_what_it_was(mode):
    result = attack("a25", mode, Limits(time_s=8, memory_mb=256, output_kb=64))
    assert result.status in (Status.MLE, Status.RTE)
    assert result.exit_signal in ("SIGSEGV", "SIGKILL")
    assert not os.path.exists("core")


def test_no_terminal_can_be_typed_into(mode):
    result = attack("a26", mode)
    assert len(facts(result)) == 6
    assert "INJECTED" not in result.stdout
