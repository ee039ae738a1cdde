"""Pages of model versions in a real browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from telemetry.training import registry
from tests.browser import PHONE, browser, overflow, site, violations
from tests.desk import address, page_of, root, staff
from tests.telemetry.trained import trained, versions

__all__ = ["browser", "site", "trained"]

MODELS = "telemetry.ModelVersion"


@pytest.mark.parametrize(
    "options",
    [{}, {"viewport": PHONE}, {"color_scheme": "dark"}, {"viewport": PHONE, "locale": "ru"}],
)
def test_pages_break_no_rule_and_fit(
    trained: dict[str, Any], site: Any, options: dict[str, Any]
) -> None:
    mean, good = versions(trained)
    page = site.visitor(root(), **options)
    for place, path in enumerate((address(MODELS), page_of(good), page_of(mean, "make_champion"))):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        if os.environ.get("SHOTS"):
            name = f"{place}-{'-'.join(map(str, options)) or 'plain'}.png"
            page.screenshot(path=str(Path(os.environ["SHOTS"]) / name), full_page=True)
        assert overflow(page) <= 0, path
        ours = [text for text in violations(page) if ".ng-" in text or "svg" in text]
        assert ours == []
    assert site.trouble == []


def test_champion_is_made_with_the_keyboard(trained: dict[str, Any], site: Any) -> None:
    _mean, good = versions(trained)
    page = site.visitor(staff("ada", "Analysts"))
    page.goto(page_of(good))
    page.get_by_role("link", name="Make it the champion").first.focus()
    page.keyboard.press("Enter")
    page.get_by_label("Why").fill("better by .06")
    page.keyboard.press("Enter")
    page.get_by_text("is the champion: the game gets it within a second.").wait_for()
    assert site.trouble == []
    found = registry.champion()
    assert found is not None
    assert found.name == good.name
