"""More than can be stored: bodies are counted while they arrive, what waits is bounded."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading

import pytest

from tests.telemetry.server import ServerProcess

KEY = "dev-key-change-me"
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = ServerProcess(tmp_path_factory.mktemp("server"))
    try:
        running.migrate()
        running.start()
        yield running
    finally:
        running.close()


def post(server, body, **headers):
    """(status, headers, body) of one batch on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        fields = {"Content-Type": "application/json", **headers}
        connection.request("POST", "/v1/events", body, fields)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def batch(name, *, events=50, filler=1000):
    rows = [
        {
            "event_id": f"{name}-{n}", "event_type": "jump", "event_ts": "2026-02-17T12:00:00Z",
            "user_id": "u", "payload": {"filler": "x" * filler},
        }
        for n in range(events)
    ]  # fmt: skip
    return json.dumps({"api_key": KEY, "events": rows}).encode()


def stored(server):
    return server.rows("SELECT count(*) FROM telemetry_gameevent")[0][0]


@pytest.mark.parametrize("chunked", [False, True])
def test_300_mb_without_a_key_reach_neither_disk_nor_memory(server, chunked):
    assert post(server, b"{}")[0] == 401
    peak, written = server.status("VmHWM"), server.written()
    block = b"z" * MIB
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\n")
        if chunked:
            connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        else:
            connection.sendall(b"Content-Length: %d\r\n\r\n" % (300 * MIB))
        for _part in range(300):
            connection.sendall(b"%x\r\n%b\r\n" % (MIB, block) if chunked else block)
        answer = bytearray()
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert server.status("VmHWM") - peak < 8 * 1024
    assert server.written() - written < 100_000
    assert list(server.tmp.iterdir()) == []
    assert stored(server) == 0


def test_a_gzip_bomb_is_undone_up_to_the_limit_alone(server):
    bomb = gzip.compress(b" " * (300 * MIB))
    nested = b"".join(gzip.compress(b"") for _member in range(10_000)) + bomb
    headers = {"Content-Encoding": "gzip", "X-API-Key": KEY}
    post(server, batch("warm", events=1), **{"X-API-Key": KEY})
    peak = server.status("VmHWM")
    for body in (bomb, nested, bomb):
        status, _headers, text = post(server, body, **headers)
        assert (status, json.loads(text)["code"]) == (413, "too_large")
    assert server.status("VmHWM") - peak < 16 * 1024
    assert stored(server) == 1


def test_what_waits_is_bounded_and_what_cannot_wait_is_told_when_to_come_back(server):
    """While nothing can be stored: at most so many wait, the rest is 503 at once, memory stands."""
    before = stored(server)
    answers: dict[int, tuple[int, object, bytes]] = {}
    refused = threading.Semaphore(0)

    def send(number):
        answers[number] = post(server, batch(f"wait-{number}"))
        refused.release()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(330)]
    with server.nobody_writes():
        for thread in threads:
            thread.start()
        # 256 may wait and one commit's worth is in the writer's hands; the next are refused.
        assert refused.acquire(timeout=30)
        peak = server.status("VmHWM")
        late = [post(server, batch(f"late-{number}")) for number in range(150)]
        grown = server.status("VmHWM") - peak
    for thread in threads:
        thread.join(60)
    kinds = {status for status, _headers, _text in late}
    assert kinds == {503}
    for _status, headers, text in late:
        assert int(headers["Retry-After"]) >= 1
        assert json.loads(text)["code"] == "unavailable"
    assert grown < 8 * 1024
    assert {status for status, _headers, _text in answers.values()} <= {200, 503}
    # Exactly what was acknowledged is there, and the server works as before.
    acknowledged = sum(status == 200 for status, _headers, _text in answers.values())
    assert stored(server) - before == 50 * acknowledged
    assert post(server, batch("after"))[0] == 200
    assert stored(server) - before == 50 * (acknowledged + 1)


def test_a_database_that_is_busy_is_503_for_a_key_that_was_never_used(server):
    """The first use of a key is written down; that fails like any other write."""
    made = server.manage(
        "shell", "-v0", "-c", "from telemetry import keys; print(keys.make(name='g')[1])"
    )
    assert made.returncode == 0, made.stderr
    key, before = made.stdout.split()[-1], stored(server)
    with server.nobody_writes():
        status, headers, text = post(server, batch("used", events=1), **{"X-API-Key": key})
    assert (status, json.loads(text)["code"]) == (503, "unavailable")
    assert int(headers["Retry-After"]) >= 1
    assert stored(server) == before
    assert post(server, batch("used", events=1), **{"X-API-Key": key})[0] == 200
    assert stored(server) == before + 1
