"""Proofs on the desk in a real browser: the bar moves by itself."""

from __future__ import annotations

import pytest

from neurogame.worker import work
from tasks import publishing
from tests.browser import browser, site
from tests.desk import page_of, root
from tests.tasks.factories import provable_task

__all__ = ["browser", "site"]


@pytest.fixture
def task(transactional_db):
    return provable_task()


def test_the_bar_moves_without_loading_the_page_again(site, task):
    asked = publishing.request(task, publish=False)
    page = site.visitor(root())
    page.goto(page_of(task))
    page.get_by_text("Waiting for the worker.").wait_for()
    page.evaluate("window.kept = true")
    assert publishing.carry_on(asked.pk, seconds=0)
    page.get_by_text("1 of 5 programs judged.").wait_for()
    assert page.locator("progress").evaluate("bar => bar.value / bar.max") == 0.2
    work(batch=True)
    page.get_by_text("Passed: 2 programs").wait_for()
    assert page.locator("progress").is_hidden()
    assert page.evaluate("window.kept")
    assert site.trouble == []
