"""Batches of events and connections that send them: the same bytes to every server."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from dataclasses import dataclass

BATCH = 100
CONNECTIONS = 8


def batches(*, count: int, seed: int, size: int = BATCH) -> list[bytes]:
    """Envelopes of `size` trials each; ids differ between seeds and sizes, so that all are new."""
    chance = random.Random(seed)
    return [envelope(chance, f"{size}-{seed}-{number}", size) for number in range(count)]


def envelope(chance: random.Random, prefix: str, size: int) -> bytes:
    player = f"u_{chance.randrange(500)}"
    events = [
        {
            "event_id": f"{prefix}-{index}",
            "event_type": "task_result",
            "event_ts": f"2026-02-17T12:{index % 60:02}:11.{chance.randrange(1000):03}Z",
            "user_id": player,
            "session_id": f"s_20260217_120000_{player}",
            "model_version": "baseline_v1",
            "payload": {
                "task_type": chance.choice(["stroop", "n_back", "go_no_go"]),
                "item_id": f"i{chance.randrange(60)}",
                "correct": chance.random() < 0.8,
                "rt_ms": round(chance.lognormvariate(6.6, 0.35), 1),
            },
        }
        for index in range(size)
    ]
    return json.dumps({"client_version": "1.0.0", "events": events}).encode()


@dataclass(frozen=True, slots=True)
class Sent:
    """Seconds from the first byte sent to the last answer, and of every single request."""

    seconds: float
    requests: list[float]


def send_all(port: int, key: str, bodies: list[bytes]) -> Sent:
    """Send every body once over `CONNECTIONS` kept connections; each must be answered 200."""
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-API-Key: {key}\r\nContent-Length: %d\r\n\r\n"
    )
    requests = [(head % len(body)).encode() + body for body in bodies]
    shares = [requests[number::CONNECTIONS] for number in range(CONNECTIONS)]
    times: list[list[float]] = [[] for _share in shares]
    faults: list[BaseException] = []
    start = threading.Barrier(CONNECTIONS + 1)

    def work(number: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), 60) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                start.wait()
                for request in shares[number]:
                    began = time.perf_counter()
                    connection.sendall(request)
                    answer(connection)
                    times[number].append(time.perf_counter() - began)
        except BaseException as fault:
            faults.append(fault)
            start.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if faults:
        raise faults[0]
    return Sent(seconds, [value for share in times for value in share])


def answer(connection: socket.socket) -> None:
    """Read one answer to its end. Raises RuntimeError unless it is a 200."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(connection)
    head, _blank, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data[:500].decode("latin-1"))
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line[:15].lower() == b"content-length:"
    ]
    while len(body) < lengths[0]:
        body += received(connection)


def received(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data
