"""A real HTTP server that takes events as the contract says, or misbehaves as a test tells it.

``python collector.py PORT FILE`` runs one as a process of its own: it appends every acknowledged
event id to FILE (synced before the answer) and prints its port when it listens.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
OK: Answer = (200, {}, b'{"ok": true}')


def problem(status: int, **headers: str) -> Answer:
    body = {"ok": False, "status": status, "detail": f"told to answer {status}"}
    return (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps(body).encode(),
    )


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is part of what the tests do."""


class Collector:
    """Records every request; ``script(events)`` decides the answer, by default the contract's."""

    def __init__(
        self, script: Callable[[list[dict[str, Any]]], Answer] | None = None, port: int = 0
    ) -> None:
        self.script = script or (lambda events: OK)
        self.port = port
        self.requests: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self.on_accept: Callable[[list[str]], None] = lambda ids: None
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/events"

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                arrived = time.monotonic()
                gzipped = self.headers.get("Content-Encoding") == "gzip"
                body = json.loads(gzip.decompress(raw) if gzipped else raw)
                answer = collector.script(body["events"])
                collector.record(self, body, raw, arrived, answer)
                status, headers, text = answer
                self.send_response(status)
                if status == 200:
                    self.send_header("X-Neurogame-Accepted", str(len(body["events"])))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self) -> None:
                collector.record(self, {"events": []}, b"", time.monotonic(), problem(405))
                self.send_error(405)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def record(
        self,
        handler: BaseHTTPRequestHandler,
        body: dict[str, Any],
        raw: bytes,
        arrived: float,
        answer: Answer,
    ) -> None:
        accepted = answer == OK
        if accepted:
            self.on_accept([event["event_id"] for event in body["events"]])
        with self.changed:
            self.requests.append(
                {
                    "method": handler.command,
                    "headers": dict(handler.headers.items()),
                    "body": body,
                    "bytes": len(raw),
                    "at": arrived,
                    "status": answer[0],
                    "accepted": accepted,
                }
            )
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout: float = 15.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout), (
                f"after {timeout} s: {self.statuses()}"
            )

    def statuses(self) -> list[int]:
        return [request["status"] for request in self.requests]

    def accepted(self) -> Counter[str]:
        """Acknowledged event ids, with how often each was."""
        return Counter(event["event_id"] for event in self.events())

    def events(self) -> list[dict[str, Any]]:
        return [
            event
            for request in self.requests
            if request["accepted"]
            for event in request["body"]["events"]
        ]


def main(port: str, path: str) -> None:
    collector = Collector(port=int(port))
    lock = threading.Lock()

    def keep(ids: list[str]) -> None:
        with lock, open(path, "a") as stream:
            stream.write("".join(f"{one}\n" for one in ids))
            stream.flush()
            os.fsync(stream.fileno())

    collector.on_accept = keep
    collector.start()
    print(collector.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
