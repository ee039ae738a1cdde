"""A real browser for the tests of pages: Chromium and axe-core against a served application.

Import `browser` and `site` into a test module; both live no longer than that module, since an
open Playwright keeps an event loop in the thread of the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from interviews import answering
from neurogame.asgi import application
from neurogame.bootstrap.browser import ensure
from tests.interviews.chat_tools import served

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=ensure(),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
            ],
        )
        yield opened
        opened.close()


class Site:
    """The served product and people who look at it."""

    def __init__(self, url: str, browser: Browser) -> None:
        self.url = url
        self.browser = browser
        self.contexts: list[BrowserContext] = []
        self.trouble: list[str] = []

    def visitor(self, user: Any = None, **options: Any) -> Page:
        """A page of a new visitor, signed in as `user`; what its console complains of is kept."""
        context = self.browser.new_context(
            base_url=self.url, **{"viewport": DESKTOP, "locale": "en", **options}
        )
        self.contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            name = django_settings.SESSION_COOKIE_NAME
            value = client.cookies[name].value
            context.add_cookies([{"name": name, "value": value, "url": self.url}])
        page = context.new_page()
        page.set_default_timeout(20_000)
        self.watch(page)
        return page

    def api(self, path: str) -> Any:
        """What the API answers to anybody."""
        return httpx.get(self.url + path, timeout=30).json()

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on(
            "console",
            lambda line: self.trouble.append(line.text) if line.type == "error" else None,
        )

    def close(self) -> None:
        for context in self.contexts:
            context.close()


@pytest.fixture
def site(browser, transactional_db, settings, monkeypatch) -> Iterator[Site]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop is in this thread
    with served(application) as url:
        opened = Site(url, browser)
        yield opened
        opened.close()
    answering.stop()


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it stands."""
    found = Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]})
    return [
        f"{rule['id']}: {rule['help']} {[node['target'] for node in rule['nodes']][:4]}"
        for rule in found.response["violations"]
    ]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
