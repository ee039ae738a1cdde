"""The chat in the real server process: with an independent model server, and through `kill -9`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.interviews.chat_tools import EventStream, check_reply, until

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """`manage.py serve` on a database of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        kept = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
        self.environment = {
            **kept,
            "NEUROGAME_ENV_FILE": "none",
            "NEUROGAME_DB_PATH": str(folder / "chat.sqlite3"),
            "DEBUG": "1",
            "OPENAI_API_KEY": "",
            "URL_DATABASE": "",
            "PORT": str(self.port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True)

    def start(self) -> Server:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        until(self.answers, 60)
        return self

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def end(self, how: int = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)


class Candidate:
    """Somebody who registered and started an interview over HTTP."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        account = self.post("/auth/register", nickname="grace", password="a long pass phrase 7")
        self.token = account["access"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        self.session_id = self.post("/interview/start", track="algorithms", level="junior")[
            "session_id"
        ]

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def send(self, message: str) -> str:
        return self.post("/chat/send", session_id=self.session_id, message=message)["reply_id"]

    def stream(self, **options: Any) -> EventStream:
        return EventStream(str(self.http.base_url), self.token, self.session_id, **options)

    def __enter__(self) -> Candidate:
        return self

    def __exit__(self, *_: Any) -> None:
        self.http.close()

    def message(self, message_id: str) -> dict[str, Any]:
        messages = self.http.get(f"/interview/{self.session_id}").json()["messages"]
        return next(message for message in messages if message["message_id"] == message_id)


@pytest.fixture
def make_server(tmp_path):
    made: list[Server] = []

    def make(**environment: str) -> Server:
        server = Server(tmp_path, **environment)
        made.append(server)
        server.manage("migrate")
        return server.start()

    yield make
    for server in made:
        server.end()


def test_a_killed_server_finishes_its_reply_after_the_restart(make_server):
    server = make_server(CHAT_SCRIPT_SECONDS="600")
    with Candidate(server.url) as candidate:
        with candidate.stream() as events:
            reply_id = candidate.send("hello, what is this interview about?")
            seen = [events.next() for _ in range(5)]
        server.end(signal.SIGKILL)

        # The server goes on by itself; who comes late finds the finished reply in the history.
        server.start()
        with candidate.stream(last_id=seen[-1].id) as events:
            assert events.next().type == "stream-reset"
        until(lambda: candidate.message(reply_id)["status"] == "complete", 60)
        message = candidate.message(reply_id)
        before = "".join(event.data["text"] for event in seen if event.type == "delta")
        assert len(before) < len(message["text"])
        assert message["text"].startswith(before)
        assert message["source"] == "scripted"
        messages = candidate.http.get(f"/interview/{candidate.session_id}").json()["messages"]
        assert [one["message_id"] for one in messages].count(reply_id) == 1


def test_a_reply_from_an_independent_model_server(make_server, llmock):
    server = make_server(OPENAI_API_KEY="secret-test-key", BASE_URL=llmock.base_url("openai"))
    with Candidate(server.url) as candidate, candidate.stream() as events:
        reply_id = candidate.send("hello")
        whole = events.reply(30)
        text = check_reply(whole)
        assert whole[-1].data["source"] == "llm"
        assert candidate.message(reply_id)["text"] == text

        llmock.truncate(after_chunks=2)
        broken_id = candidate.send("and now?")
        broken = events.reply(30)
        check_reply(broken)
        assert broken[-1].type == "final"
        assert candidate.message(broken_id)["text"] == broken[-1].data["text"]

        llmock.outage()
        candidate.send("still there?")
        scripted = events.reply(30)
        check_reply(scripted)
        assert scripted[-1].data["source"] == "scripted"
    server.end()
    assert "secret-test-key" not in server.log.read_text()
    assert "Traceback" not in server.log.read_text()
