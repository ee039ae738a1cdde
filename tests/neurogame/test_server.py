"""The server against real sockets: what it refuses, what it costs, how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MIB = 1 << 20


class Probe:
    """The probe's process, its port and its log."""

    def __init__(self, tmp: Path, *arguments: str) -> None:
        self.tmp = tmp
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.neurogame.probe", *arguments],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()

    def _read_log(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.put(json.loads(line))

    def log(self, *, wanted: str = "", timeout: float = 10.0) -> dict[str, Any]:
        """The next line of the request log, or of another logger by name."""
        while True:
            line = self.lines.get(timeout=timeout)
            if line.get("logger", "") == wanted:
                return line

    def peak_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1])

    def written_bytes(self) -> int:
        """What the process has handed to write(): a temporary file would count here."""
        counters = Path(f"/proc/{self.process.pid}/io").read_text()
        return int(next(x for x in counters.splitlines() if x.startswith("wchar")).split()[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def request(
        self, method: str, target: str, body: Any = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, body=body, headers=fields)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(40)
        finally:
            self.process.kill()
            self.reader.join(5)
            assert self.process.stdout
            assert self.process.stderr
            self.process.stdout.close()
            self.process.stderr.close()
        return code


@contextlib.contextmanager
def running(tmp: Path, *arguments: str) -> Iterator[Probe]:
    probe = Probe(tmp, *arguments)
    try:
        yield probe
    finally:
        probe.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """One server for the tests that do not look at its log or its memory."""
    with running(tmp_path_factory.mktemp("shared")) as started:
        yield started


@pytest.fixture
def probe(tmp_path: Path) -> Iterator[Probe]:
    with running(tmp_path) as started:
        yield started


def raw(probe: Probe, data: bytes) -> bytes:
    """Send bytes as they are and read until the server closes."""
    with probe.connect() as connection:
        connection.sendall(data)
        return read_to_end(connection)


def read_to_end(connection: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return bytes(received)


def parse(answer: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers (lower-case names) and the JSON body of one answer."""
    head, _blank, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}
    return int(first.split()[1]), headers, json.loads(body)


def assert_problem(answer: bytes, *, status: int, code: str) -> dict[str, Any]:
    got, headers, body = parse(answer)
    assert got == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert set(body) == {"ok", "type", "title", "status", "code", "detail", "request_id"}
    assert (body["ok"], body["type"], body["status"]) == (False, "about:blank", status)
    assert body["code"] == code
    assert headers["x-request-id"] == body["request_id"]
    return body


# --- bodies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "size"),
    [("/echo", 0), ("/echo", MIB), ("/small/echo", 1000), ("/big/echo", 3 * MIB)],
)
def test_body_within_its_limit_arrives_whole(shared: Probe, target: str, size: int) -> None:
    response, content = shared.request("POST", target, body=b"a" * size)
    assert response.status == 200
    assert json.loads(content)["bytes"] == size


def test_chunked_body_within_its_limit_arrives_whole(shared: Probe) -> None:
    parts = (b"b" * 100_000 for _index in range(10))
    response, content = shared.request("POST", "/echo", body=parts)
    assert response.status == 200
    assert json.loads(content)["bytes"] == 1_000_000


@pytest.mark.parametrize(("target", "size"), [("/echo", MIB + 1), ("/small/echo", 1001)])
def test_declared_size_over_the_limit_is_refused_before_the_body(
    probe: Probe, target: str, size: int
) -> None:
    head = f"POST {target}?api_key=s3cret HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    with probe.connect() as connection:
        connection.sendall(head.encode())  # and not one byte of the body
        connection.settimeout(5)
        answer = read_to_end(connection)
    body = assert_problem(answer, status=413, code="too_large")
    assert body["title"] == "Content Too Large"
    line = probe.log()
    assert line["request_id"] == body["request_id"]
    assert (line["method"], line["path"], line["status"]) == (
        "POST",
        f"{target}?api_key=[redacted]",
        413,
    )


def test_refused_body_is_not_asked_for(shared: Probe) -> None:
    answer = raw(
        shared,
        b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Length: 99999999\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


@pytest.mark.parametrize("chunked", [False, True])
def test_300_mib_reach_neither_disk_nor_memory(probe: Probe, chunked: bool) -> None:
    probe.request("POST", "/echo", body=b"warm")
    peak, written = probe.peak_kb(), probe.written_bytes()
    block = b"z" * MIB
    with probe.connect() as connection:
        if chunked:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\n")
            connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
            for _index in range(300):
                connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
            connection.sendall(b"0\r\n\r\n")
        else:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\n")
            connection.sendall(b"Content-Length: %d\r\n\r\n" % (300 * MIB))
            for _index in range(300):
                connection.sendall(block)
        answer = read_to_end(connection)
    assert_problem(answer, status=413, code="too_large")
    assert probe.peak_kb() - peak < 8 * 1024
    assert probe.written_bytes() - written < 100_000
    assert list(probe.tmp.iterdir()) == []
    assert probe.request("POST", "/echo", body=b"still here")[0].status == 200


def test_body_of_many_tiny_chunks_is_bounded_on_the_wire(shared: Probe) -> None:
    chunk = b"1;" + b"e" * 1000 + b"\r\nx\r\n"
    with shared.connect() as connection:
        connection.sendall(
            b"POST /small/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _index in range(900):
            connection.sendall(chunk * 10)
        connection.sendall(b"0\r\n\r\n")
        assert_problem(read_to_end(connection), status=413, code="too_large")


# --- garbage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Name: x\r\nA: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n",
    ],
)
def test_malformed_request_is_a_400_problem(shared: Probe, data: bytes) -> None:
    assert_problem(raw(shared, data), status=400, code="bad_request")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /caf\xa9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /?q=\xa9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: a\x0bb\r\nConnection: close\r\n\r\n",
    ],
)
def test_characters_that_http_forbids_are_a_400_problem(shared: Probe, data: bytes) -> None:
    assert_problem(raw(shared, data), status=400, code="bad_request")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 900,
    ],
)
def test_oversized_head_is_a_431_problem(shared: Probe, data: bytes) -> None:
    assert_problem(raw(shared, data), status=431, code="headers_too_large")


def test_client_does_not_choose_the_mount_point(shared: Probe) -> None:
    answer = raw(
        shared,
        b"GET /echo HTTP/1.1\r\nHost: x\r\nDaphne-Root-Path: /evil\r\nConnection: close\r\n\r\n",
    )
    assert b'"root_path": ""' in answer


def test_upgrade_to_a_websocket_is_ignored(shared: Probe) -> None:
    answer = raw(
        shared,
        b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"type": "http"' in answer


def test_absolute_form_of_the_target_is_understood(shared: Probe) -> None:
    answer = raw(
        shared, b"GET http://other/echo?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert b'"path": "/echo"' in answer


def test_pipelined_requests_are_answered_in_order(shared: Probe) -> None:
    answer = raw(
        shared,
        b"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
        b"GET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert answer.index(b'"/one"') < answer.index(b'"/two"')


def test_garbage_has_its_line_in_the_log(probe: Probe) -> None:
    body = assert_problem(raw(probe, b"GET\r\n\r\n"), status=400, code="bad_request")
    line = probe.log()
    assert (line["status"], line["request_id"]) == (400, body["request_id"])


def test_answer_to_head_has_no_body_however_long_it_is(shared: Probe) -> None:
    answer = raw(
        shared,
        b"HEAD /flood?chunks=3 HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert b"xxx" not in answer
    assert answer.count(b"HTTP/1.1 200 ") == 2


# --- time -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A server whose patience is a second or two."""
    with running(tmp_path_factory.mktemp("hurried"), "--hurried") as started:
        yield started


def trickle(connection: socket.socket, part: bytes) -> bytes:
    """Send the same part again and again until the server answers; its answer."""
    connection.settimeout(0.1)
    for _index in range(100):
        try:
            connection.sendall(part)
            first = connection.recv(65536)
        except TimeoutError:
            continue
        connection.settimeout(10)
        return first + read_to_end(connection)
    raise AssertionError("the server listens for ever")


def test_headers_that_trickle_in_are_cut_off(hurried: Probe) -> None:
    with hurried.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert_problem(trickle(connection, b"A: b\r\n"), status=408, code="timeout")


def test_body_that_trickles_in_is_cut_off(hurried: Probe) -> None:
    with hurried.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert_problem(trickle(connection, b"x"), status=408, code="timeout")


def test_silent_connection_is_closed_without_an_answer(hurried: Probe) -> None:
    with hurried.connect() as connection:
        assert read_to_end(connection) == b""


def test_connection_is_kept_between_requests(hurried: Probe) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hurried.port, timeout=10)
    for _index in range(3):
        connection.request("POST", "/echo", body=b"abc")
        assert connection.getresponse().read()
        time.sleep(1.5)  # more than four seconds together, less than that between two requests
    connection.close()


def test_answer_that_nobody_reads_is_given_up(hurried: Probe) -> None:
    with hurried.connect() as connection:
        connection.sendall(b"GET /flood?chunks=100000 HTTP/1.1\r\nHost: x\r\n\r\n")
        line = hurried.log()
        while not line["path"].startswith("/flood"):
            line = hurried.log()
    assert line["aborted"] is True


# --- failures, slow readers -----------------------------------------------------------------


def test_crash_of_the_application_is_a_500_problem_and_logged_without_the_secret(
    probe: Probe,
) -> None:
    response, content = probe.request("GET", "/boom")
    assert response.status == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(content)["request_id"] == response.headers["X-Request-ID"]
    logged = probe.log(wanted="neurogame.error")
    assert logged["request_id"] == response.headers["X-Request-ID"]
    assert "planned: password=[redacted]" in logged["traceback"]
    assert probe.log()["status"] == 500


def test_crash_within_an_answer_breaks_the_connection(shared: Probe) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=10)
    connection.request("GET", "/boom-late")
    response = connection.getresponse()
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    connection.close()


def test_client_that_does_not_read_costs_no_memory(probe: Probe) -> None:
    probe.request("GET", "/flood?chunks=20")
    peak = probe.peak_kb()
    with probe.connect() as connection:
        connection.sendall(b"GET /flood?chunks=4800 HTTP/1.1\r\nHost: x\r\n\r\n")  # 300 MiB
        assert connection.recv(1000)
        for _index in range(20):
            assert probe.request("GET", "/echo")[0].status == 200
        assert probe.peak_kb() - peak < 8 * 1024
        total = 0
        while total < 300 * MIB:
            total += len(connection.recv(MIB))
    assert probe.peak_kb() - peak < 8 * 1024


def test_client_that_goes_away_is_logged_as_aborted(probe: Probe) -> None:
    with probe.connect() as connection:
        connection.sendall(b"GET /flood?chunks=100000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000)
    line = probe.log()
    assert line["path"] == "/flood?chunks=100000"


# --- the request log ------------------------------------------------------------------------


def test_every_request_has_one_line_and_an_id(probe: Probe) -> None:
    response, content = probe.request(
        "GET", "/echo?token=abc&limit=3", X_Request_ID="from-outside-1"
    )
    line = probe.log()
    assert set(line) == {
        "time", "request_id", "method", "path", "status", "duration_ms", "user", "bytes", "client",
    }  # fmt: skip
    assert line["request_id"] == response.headers["X-Request-ID"] != "from-outside-1"
    assert line["path"] == "/echo?token=[redacted]&limit=3"
    assert (line["status"], line["bytes"], line["client"]) == (200, len(content), "127.0.0.1")


def test_id_of_a_trusted_proxy_is_kept_when_it_is_sane(tmp_path: Path) -> None:
    with running(tmp_path, "--trust") as probe:
        response, _content = probe.request("GET", "/echo", X_Request_ID="from-outside-1")
        assert response.headers["X-Request-ID"] == "from-outside-1"
        response, _content = probe.request("GET", "/echo", X_Request_ID='a"b' + "c" * 20)
        assert len(response.headers["X-Request-ID"]) == 32


def test_stream_is_logged_when_it_ends(probe: Probe) -> None:
    with probe.connect() as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000)
        assert probe.request("GET", "/echo")[0].status == 200
        assert probe.log()["path"] == "/echo"
    line = probe.log()
    assert (line["path"], line["status"], line["aborted"]) == ("/stream", 200, True)


# --- the end --------------------------------------------------------------------------------


def test_sigterm_ends_streams_and_finishes_requests(tmp_path: Path) -> None:
    with running(tmp_path) as probe:
        with probe.connect() as stream, probe.connect() as slow, probe.connect() as idle:
            stream.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stream.recv(1000)
            idle.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(1000)
            slow.sendall(b"GET /slow?s=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.2)  # the request is being served before the signal comes
            started = time.monotonic()
            assert probe.stop() == 0
            assert time.monotonic() - started < 20  # and not the grace period of 30 s
            assert read_to_end(stream).endswith(b"0\r\n\r\n")
            assert b"HTTP/1.1 200 " in read_to_end(slow)
            assert read_to_end(idle) == b""
        with pytest.raises(ConnectionRefusedError):
            probe.connect()


def test_sigterm_breaks_what_outlasts_the_grace_period(tmp_path: Path) -> None:
    with running(tmp_path, "--short-grace") as probe, probe.connect() as slow:
        slow.sendall(b"GET /slow?s=60 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        started = time.monotonic()
        assert probe.stop() == 0
        assert time.monotonic() - started < 20
        assert read_to_end(slow) == b""


def test_taken_port_is_said_so(shared: Probe) -> None:
    from_code = (
        "from neurogame.server import serve, ListenError\n"
        f"try: serve(None, host='127.0.0.1', port={shared.port}, body_limits={{'': 1}})\n"
        "except ListenError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", from_code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith(f"cannot listen on 127.0.0.1:{shared.port}:")


# --- Django behind it -------------------------------------------------------------------------

LEAVING = """
import asyncio, sys
import django
from django.core.asgi import get_asgi_application
from django.http import StreamingHttpResponse
from django.urls import path

application = get_asgi_application()

async def pages():
    while True:
        yield b"x" * 65536
        await asyncio.sleep(0)

class Response(StreamingHttpResponse):
    def close(self):
        super().close()
        print("response closed", flush=True)

async def view(request):
    return Response(pages())

import types
from django.test import override_settings
urls = types.ModuleType("urls")
urls.urlpatterns = [path("", view)]
sys.modules["urls"] = urls

from neurogame.requestlog import RequestLog
from neurogame.server import serve
with override_settings(ROOT_URLCONF="urls", MIDDLEWARE=[]):
    serve(RequestLog(application), host="127.0.0.1", port=0, body_limits={"": 1},
          ready=lambda host, port: print(port, flush=True))
"""


def test_django_tidies_up_after_a_client_that_left() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVING],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "neurogame.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert process.stdout.readline() == "response closed\n"
    finally:
        process.terminate()
        _out, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors
    assert '"aborted": true' in errors
