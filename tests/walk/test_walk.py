"""All five people, end to end, in a browser against the served product with its own bank."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import time
import tomllib
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser import browser
from tests.walk.product import ROOT, Product

__all__ = ["browser"]

PASSWORD = "violet lamp 42"
PASTED = "def helper(values):\n    return sorted(values)\n" * 8


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A folder with a prepared database, to copy."""
    folder = tmp_path_factory.mktemp("prepared")
    Product(folder).prepare()
    return folder


@pytest.fixture
def product(prepared, tmp_path):
    """A function that serves a copy of the prepared product with more environment variables."""
    running: list[Product] = []

    def start(**environment: str) -> Product:
        for file in prepared.glob("neurogame.sqlite3*"):
            shutil.copy(file, tmp_path / file.name)
        served = Product(tmp_path, **environment)
        served.__enter__()
        running.append(served)
        return served

    yield start
    for served in running:
        served.__exit__()


class Visitor:
    """A browser of one person; whatever the console complains of is kept."""

    def __init__(self, browser, url: str) -> None:
        self.context = browser.new_context(
            base_url=url, locale="en", viewport={"width": 1440, "height": 900},
            permissions=["clipboard-read", "clipboard-write"],
        )  # fmt: skip
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.trouble: list[str] = []
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on(
            "console",
            lambda line: self.trouble.append(line.text) if line.type == "error" else None,
        )


def register_and_start(page: Page, nickname: str, track: str = "Algorithms") -> None:
    page.goto("/interview/")
    page.fill("#register-nickname", nickname)
    page.fill("#register-password", PASSWORD)
    page.get_by_role("button", name="Register").click()
    page.get_by_label(track).check()
    page.get_by_label("Yes, record the signals").check()
    page.get_by_role("button", name="Start the interview").click()
    page.wait_for_selector('#workspace[aria-busy="false"]')


def slug_of(page: Page) -> str:
    """The bank's folder of the task that is open, by its title."""
    title = page.inner_text("#task-title")
    for manifest in (ROOT / "tasks" / "bank").glob("*/*/task.toml"):
        if f'en = "{title}"' in manifest.read_text():
            return str(manifest.parent)
    raise AssertionError(f"no task of the bank is called {title!r}")


def submission(folder: str, verdict: str) -> str:
    return next((Path(folder) / "submissions" / verdict).glob("*.py")).read_text()


def write(page: Page, code: str) -> None:
    page.click(".cm-content")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(code)


def check(page: Page, code: str, verdict: str) -> None:
    write(page, code)
    page.get_by_role("button", name="Check solution").click()
    page.locator(f".result__head .badge--{verdict}").wait_for()


def say(page: Page, text: str) -> None:
    page.fill("#chat-text", text)
    page.click("#chat-send")


def watch_last_message(page: Page) -> None:
    """Note every length that the last message of the log has while it grows."""
    page.evaluate(
        """() => {
            window.lengths = new Set();
            const log = document.getElementById("chat-log");
            const note = () => {
                const last = log.lastElementChild;
                if (last) window.lengths.add(last.textContent.length);
            };
            new MutationObserver(note).observe(
                log, {childList: true, subtree: true, characterData: true});
        }"""
    )


def paste(page: Page, text: str) -> None:
    """Paste a text that was copied elsewhere."""
    page.click(".cm-content")
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+V")


def sign_in_to_admin(page: Page, login: str) -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", login)
    page.fill("input[name=password]", "neurogame")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: urlsplit(url).path == "/admin/")


def session_row(url: str, database: Path):
    connection = sqlite3.connect(database)
    try:
        return connection.execute("SELECT id, state FROM interviews_interviewsession").fetchone()
    finally:
        connection.close()


def test_the_interview_and_its_recruiter(browser, product):
    served = product()
    candidate = Visitor(browser, served.url)
    page = candidate.page
    register_and_start(page, "grace")
    first = slug_of(page)

    watch_last_message(page)
    say(page, "Could you give me a hint, please?")
    expect(page.locator("#chat-log")).to_contain_text("hint 1 of 3", ignore_case=True)
    assert len(page.evaluate("[...window.lengths]")) > 3  # it grew in pieces

    paste(page, PASTED)
    check(page, submission(first, "WA"), "WA")
    check(page, submission(first, "AC"), "AC")
    page.get_by_role("button", name="Next task").first.click()
    expect(page.locator("#task-title")).not_to_have_text(title_of(first))
    page.reload()
    page.wait_for_selector('#workspace[aria-busy="false"]')
    expect(page.locator("#chat-log")).to_contain_text("Could you give me a hint")
    assert slug_of(page) != first
    wait_for_signal(served, "paste")
    assert candidate.trouble == []

    recruiter = Visitor(browser, served.url)
    desk = recruiter.page
    sign_in_to_admin(desk, "admin")
    key = session_row(served.url, Path(served.env["NEUROGAME_DB_PATH"]))[0]
    desk.goto(f"/admin/interviews/interviewsession/{key}/change/")
    text = desk.locator("body").inner_text()
    whole = desk.content()
    assert "grace" in text
    assert "Could you give me a hint, please?" in text
    assert "Wrong answer" in text or "WA" in text
    assert "sorted(values)" in whole
    assert recruiter.trouble == []

    other = Visitor(browser, served.url)  # this session belongs to no team of theirs
    sign_in_to_admin(other.page, "recruiter")
    other.page.goto(f"/admin/interviews/interviewsession/{key}/change/")
    assert "Could you give me a hint" not in other.page.content()


def title_of(folder: str) -> str:
    return tomllib.loads((Path(folder) / "task.toml").read_text())["title"]["en"]


def wait_for_signal(served: Product, kind: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        connection = sqlite3.connect(served.env["NEUROGAME_DB_PATH"])
        try:
            if connection.execute(
                "SELECT 1 FROM telemetry_anticheatsignal WHERE type = ?", [kind]
            ).fetchone():
                return
        finally:
            connection.close()
        time.sleep(0.1)
    raise AssertionError(f"no signal {kind} came in")


def test_the_game_and_its_analyst(browser, product):
    served = product()
    events = [
        {
            "event_id": f"walk-{n}", "event_type": "task_result", "user_id": f"player-{n % 3}",
            "event_ts": "2026-02-17T12:00:00Z", "model_version": "baseline_v1",
            "payload": {"correct": n % 4 > 0, "rt_ms": 700 + 13 * n},
        }
        for n in range(120)
    ]  # fmt: skip
    body = json.dumps({"api_key": "dev-key-change-me", "events": events}).encode()
    request = urllib.request.Request(
        f"{served.url}/v1/events", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer) == {"ok": True}

    visitor = Visitor(browser, served.url)
    visitor.page.goto("/leaderboard/")
    for player in ("player-0", "player-1", "player-2"):
        expect(visitor.page.locator("table").first).to_contain_text(player)
    assert visitor.trouble == []

    analyst = Visitor(browser, served.url)
    sign_in_to_admin(analyst.page, "analyst")
    analyst.page.goto("/admin/telemetry/gameevent/")
    analyst.page.get_by_role("link", name="Export").first.click()
    with analyst.page.expect_download() as download:
        analyst.page.locator("form button[type=submit]").last.click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [row["event_id"] for row in rows] == [event["event_id"] for event in events]
    assert [json.loads(row["payload"]) for row in rows] == [event["payload"] for event in events]
    answer = analyst.page.goto("/admin/interviews/interviewsession/")
    assert answer.status == 403
    assert analyst.trouble in ([], analyst.trouble[:1])  # the browser notes the 403 itself


@pytest.mark.parametrize("broken", [False, True], ids=["healthy", "failing mid-stream"])
def test_the_interview_with_a_model(browser, product, llmock, broken):
    served = product(OPENAI_API_KEY="a-secret-key", BASE_URL=llmock.base_url("openai"))
    candidate = Visitor(browser, served.url)
    page = candidate.page
    register_and_start(page, "grace", track="Data")
    if broken:
        llmock.truncate(after_chunks=2)
    say(page, "How would you approach it?")
    replies = page.locator("#chat-log > *")
    expect(replies).to_have_count(3)  # greeting, message, reply
    reply = replies.nth(2)
    expect(reply).not_to_have_attribute("aria-busy", "true")
    seen = reply.inner_text()
    folder = slug_of(page)
    check(page, submission(folder, "WA"), "WA")
    check(page, submission(folder, "AC"), "AC")
    page.reload()
    page.wait_for_selector('#workspace[aria-busy="false"]')
    assert stored_reply(served) in " ".join(page.locator("#chat-log").inner_text().split())
    assert seen
    assert "a-secret-key" not in served.log.read_text()
    assert candidate.trouble == []


def stored_reply(served: Product) -> str:
    """The text of the first reply of a conversation, with single spaces."""
    connection = sqlite3.connect(served.env["NEUROGAME_DB_PATH"])
    try:
        row = connection.execute(
            "SELECT text, status FROM interviews_message WHERE kind = 'chat' "
            "AND role = 'interviewer' ORDER BY seq LIMIT 1"
        ).fetchone()
    finally:
        connection.close()
    assert row[1] == "complete"
    return " ".join(row[0].split())
