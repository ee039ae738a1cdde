"""What the candidate's page records with consent, and that it records nothing without."""

from __future__ import annotations

import hashlib
import json

from interviews.models import Consent
from telemetry.models import AntiCheatSignal
from tests.browser import browser, site
from tests.interviews.chat_tools import until
from tests.interviews.page_tools import bank, opened, session

__all__ = ["bank", "browser", "session", "site"]

PASTE = """([selector, text]) => {
  const data = new DataTransfer();
  data.setData('text/plain', text);
  document.querySelector(selector).dispatchEvent(new ClipboardEvent('paste',
    { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def signals(session, kind):
    return list(AntiCheatSignal.objects.filter(session=session, type=kind).order_by("pk"))


def test_a_paste_from_elsewhere_is_told_from_one_of_the_page(site, session, candidate):
    page = opened(site.visitor(candidate))
    foreign = "print('from elsewhere')\n" * 3
    page.evaluate(PASTE, [".cm-content", foreign])
    page.evaluate(
        "getSelection().selectAllChildren(document.querySelector('#statement'));"
        " document.execCommand('copy')"
    )
    statement = page.evaluate("getSelection().toString()")
    page.evaluate(PASTE, [".cm-content", statement])
    pastes = until(lambda: len(found := signals(session, "paste")) == 2 and found, 20)
    assert [paste.payload["source"] for paste in pastes] == ["external", "internal"]
    assert pastes[0].payload["chars"] == len(foreign)
    assert pastes[0].payload["sha256"] == hashlib.sha256(foreign.encode()).hexdigest()
    assert pastes[0].payload["text"] == foreign
    assert pastes[0].payload["place"] == "editor"
    assert len(signals(session, "task_text_copy")) == 1


def test_typing_is_recorded_for_playback(site, session, candidate):
    page = opened(site.visitor(candidate))
    page.click(".cm-content")
    page.keyboard.press("Control+A")
    page.keyboard.type("x = 1")
    page.locator("#save-state", has_text="Saved").wait_for()
    until(lambda: any("edits" in edit.payload for edit in signals(session, "edit")), 20)
    edits = signals(session, "edit")
    assert edits[0].payload["origin"] == "open"
    code = edits[0].payload["text"]
    for edit in edits[1:]:
        for _at, start, end, text, *_rest in edit.payload["edits"]:
            code = code[:start] + text + code[end:]
    assert code == "x = 1"


def test_signals_survive_a_lost_connection_and_a_reload(site, session, candidate):
    page = opened(site.visitor(candidate))
    page.context.set_offline(True)
    page.evaluate(PASTE, [".cm-content", "offline paste"])
    until(lambda: "offline paste" in page.evaluate("JSON.stringify({...localStorage})"))
    page.context.set_offline(False)
    opened(page)
    found = until(lambda: signals(session, "paste"), 20)
    assert [paste.payload["text"] for paste in found] == ["offline paste"]


def test_without_consent_nothing_is_recorded(site, session, candidate):
    Consent.objects.update(signals=False)
    page = opened(site.visitor(candidate))
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate(PASTE, [".cm-content", "secret"])
    page.click(".cm-content")
    page.keyboard.type("x = 1")
    page.locator("#save-state", has_text="Saved").wait_for()
    page.reload()
    page.wait_for_selector('#workspace[aria-busy="false"]')
    kept = json.dumps(page.evaluate("Object.keys(localStorage)"))
    assert not [url for url in sent if "anticheat" in url]
    assert "signals" not in kept
    assert not AntiCheatSignal.objects.exists()
