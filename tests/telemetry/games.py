"""Real games in processes of their own, and what the next start of one does."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from telemetry.client import Client
from tests.telemetry.collector import Collector

ROOT = Path(__file__).resolve().parents[2]
PROLOGUE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from client import Client
def make(**more):
    options = dict(url=sys.argv[2], spool_dir=sys.argv[3], flush_interval=0.02, backoff_base=0.01,
                   backoff_cap=0.05, adopt_interval=0.05)
    options.update(more)
    return Client(**options)
def say(*words):
    os.write(1, (" ".join(str(word) for word in words) + "\\n").encode())
"""


def finish(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out.split()


def kill(process: subprocess.Popen[str]) -> list[str]:
    """SIGKILL, and every whole line that the process had printed."""
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    out = process.stdout.read()  # not communicate(): that would skip what readline() has buffered
    process.stdout.close()
    process.wait(30)
    return out.split("\n")[:-1]


def successor(collector: Collector, spool: Path) -> Client:
    return Client(
        collector.url,
        spool_dir=spool,
        flush_interval=0.02,
        backoff_base=0.01,
        backoff_cap=0.05,
        adopt_interval=0.05,
    )


def deliver_rest(collector: Collector, spool: Path) -> dict[str, object]:
    """What the next start of the game does."""
    with successor(collector, spool) as client:
        client.track("app_open", user_id="u_2", event_id="next-start")
        collector.wait_for(lambda: "next-start" in collector.accepted())
        assert client.flush(20)
        return client.stats()


ENDLESS = """
client = make()
number = 0
while True:
    number += 1
    say(client.track("task_result", user_id="u_1", payload={"correct": True, "rt_ms": number}))
"""
