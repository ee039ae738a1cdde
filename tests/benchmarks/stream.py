"""The stream of the chat: from publishing to arriving at every listener."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.processes import environment, free_port, running

LISTENERS = 50
INTERVAL_S = 0.05
PATIENCE_S = 20.0


def measure(folder: Path, *, rounds: int, ticks: int) -> Iterator[Figure]:
    """Rounds in turn; all listeners of both servers stay connected, one server publishes."""
    port, peer_port = free_port(), free_port()
    where = folder / "listener"
    variables = environment(folder)
    python = [sys.executable, "-m"]
    ours = [*python, "tests.benchmarks.stream_server", str(port), str(where)]
    peer = [*python, "tests.benchmarks.stream_peer", str(peer_port)]
    with (
        running(ours, variables=variables, port=port, log=folder / "stream.log") as product,
        running(peer, variables=variables, port=peer_port, log=folder / "stream-peer.log") as other,
    ):
        session, token = where.read_text().split()
        head = f"GET /chat/stream?session_id={session} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Authorization: Bearer {token}\r\n\r\n"
        found = asyncio.run(
            listen(head, [(port, product), (peer_port, other)], rounds=rounds, ticks=ticks)
        )
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        yield Figure(
            f"chat, publish to arrival, {LISTENERS} listeners, {name}",
            "ms",
            [1000 * quantile(delays, share) for delays in found[0]],
            "FastAPI, bare queues",
            [1000 * quantile(delays, share) for delays in found[1]],
            False,
        )


async def listen(
    head: str,
    servers: list[tuple[int, subprocess.Popen[bytes]]],
    *,
    rounds: int,
    ticks: int,
) -> list[list[list[float]]]:
    """For each server and round the delays in seconds, of every tick at every listener."""
    arrived: list[list[float]] = [[] for _server in servers]
    tasks: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []
    for (port, _process), delays in zip(servers, arrived, strict=True):
        for _number in range(LISTENERS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode())
            status = await reader.readline()
            if b" 200 " not in status:
                raise RuntimeError(status.decode())
            while not (await reader.readline()).startswith(b"retry:"):
                pass
            writers.append(writer)
            tasks.append(asyncio.create_task(read(reader, delays)))
    found: list[list[list[float]]] = [[] for _server in servers]
    for turn in range(-1, rounds):  # the first warms up
        for (_port, process), delays, kept in zip(servers, arrived, found, strict=True):
            delays.clear()
            assert process.stdin is not None
            process.stdin.write(f"{ticks} {INTERVAL_S}\n".encode())
            process.stdin.flush()
            deadline = time.monotonic() + ticks * INTERVAL_S + PATIENCE_S
            while len(delays) < ticks * LISTENERS:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{len(delays)} of {ticks * LISTENERS} ticks arrived")
                await asyncio.sleep(0.05)
            if turn >= 0:
                kept.append(list(delays))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for writer in writers:
        writer.close()
    return found


async def read(reader: asyncio.StreamReader, delays: list[float]) -> None:
    while line := await reader.readline():
        if line.startswith(b"data:") and b'"at"' in line:
            now = time.monotonic_ns()
            delays.append((now - json.loads(line[5:])["at"]) / 1e9)
