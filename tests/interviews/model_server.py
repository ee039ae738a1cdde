"""An OpenAI-compatible server that does to a stream whatever a test says."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def chunk(text: str | None = None, *, finish: str | None = None, **delta: Any) -> str:
    """One chunk of a stream as the data of an event."""
    if text is not None:
        delta["content"] = text
    return json.dumps(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
    )


USAGE = json.dumps(
    {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }
)  # fmt: skip


class Answer:
    """The answer to one request, written by a test's function."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler

    def fail(self, status: int, body: str = '{"error": {"message": "no"}}', **headers: str) -> None:
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.send_header("Content-Type", "application/json")
        self._handler.send_header("Content-Length", str(len(body)))
        self._handler.end_headers()
        self._handler.wfile.write(body.encode())

    def begin(self) -> None:
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "text/event-stream")
        self._handler.send_header("Connection", "close")
        self._handler.end_headers()
        self._handler.close_connection = True

    def send(self, *events: str) -> None:
        for event in events:
            self._handler.wfile.write(f"data: {event}\n\n".encode())
            self._handler.wfile.flush()

    def raw(self, data: bytes) -> None:
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def hang_up(self) -> None:
        self._handler.connection.shutdown(socket.SHUT_RDWR)


Behaviour = Callable[[Answer], None]


def says(*texts: str, finish: str | None = "stop", pause: float = 0.0) -> Behaviour:
    """A healthy stream of the pieces `texts`."""

    def behave(answer: Answer) -> None:
        answer.begin()
        for text in texts:
            answer.send(chunk(text))
            time.sleep(pause)
        if finish:
            answer.send(chunk(finish=finish), USAGE, "[DONE]")

    return behave


def fails(status: int, **headers: str) -> Behaviour:
    return lambda answer: answer.fail(status, **headers)


class ModelServer:
    """Answers each request by the next behaviour; the last one stays."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._behaviours: list[Behaviour] = [says("Hello.")]
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.requests.append(body)
                    outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                    behave = outer._behaviours[0]
                    if len(outer._behaviours) > 1:
                        outer._behaviours.pop(0)
                with suppress(OSError):
                    behave(Answer(self))

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def does(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
