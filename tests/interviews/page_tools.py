"""What the tests of the candidate's page share: a bank, an interview, an opened workspace."""

from __future__ import annotations

import pytest

from interviews.models import Consent
from tests.interviews.chat_tools import make_session
from tests.tasks.factories import TaskFactory


@pytest.fixture
def bank(transactional_db):
    return [TaskFactory(difficulty=step / 2) for step in range(-2, 3)]


@pytest.fixture
def session(candidate, bank):
    started = make_session(candidate)
    Consent.objects.create(session=started, version="test", signals=True, taken_by="candidate")
    return started


def opened(page):
    """The page once the task and the editor are there."""
    page.goto("/interview/")
    page.wait_for_selector('#workspace[aria-busy="false"]')
    return page


def write(page, code):
    """Replace the editor's text by typing, as a person does (the editor indents by itself)."""
    page.click(".cm-content")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(code)


def add(page, line):
    """Add a line at the end of the editor's text."""
    page.focus(".cm-content")
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(f"\n{line}")


def code_of(page) -> str:
    return "\n".join(page.locator(".cm-line").all_inner_texts()).replace("​", "")
