"""Fixtures of the client's tests: a server that records, a spool, games."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.telemetry.collector import Collector
from tests.telemetry.games import PROLOGUE, ROOT


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def game(collector: Collector, spool: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program that uses the file as a game does: copied, without this project around it."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, url: str = "", python: str = sys.executable) -> subprocess.Popen[str]:
        code = PROLOGUE + textwrap.dedent(program)
        arguments = [
            python,
            "-I",
            "-B",
            "-W",
            "error",
            "-c",
            code,
            str(ROOT / "telemetry"),
            url or collector.url,
            str(spool),
        ]
        pipe = subprocess.PIPE
        process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
