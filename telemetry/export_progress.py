"""How far a download is, for the page that began it: kept in the cache, for whichever process asks."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from telemetry.export_stream import Reader

EVERY_S = 0.5
KEPT_S = 3600
_TOKEN = re.compile(r"[A-Za-z0-9-]{16,64}\Z")


def key_of(user_id: Any, token: str) -> str | None:
    """Where a user's download is kept; None for what is no token."""
    return f"export:{user_id}:{token}" if _TOKEN.match(token) else None


class Progress:
    """Writes down, now and then, what a reader has read; the last time in any case."""

    def __init__(self, key: str, total: int) -> None:
        self.key = key
        self.total = total
        self._next = 0.0

    def __call__(self, reader: Reader) -> None:
        now = time.monotonic()
        if not reader.ended and now < self._next:
            return
        self._next = now + EVERY_S
        state = {
            "done": reader.rows, "size": reader.size, "total": self.total,
            "finished": reader.ended, "whole": reader.is_whole,
        }  # fmt: skip
        cache.set(self.key, state, timeout=KEPT_S)


def progress_of(key: str) -> dict[str, Any]:
    """{"done", "total", "finished", "text"} of a download, as the admin's bars take it."""
    state = cache.get(key)
    if state is None:
        text = _("Waiting for the download to begin.")
        return {"done": 0, "total": 0, "finished": False, "text": text}
    words = {
        "done": number_format(state["done"], force_grouping=True),
        "total": number_format(state["total"], force_grouping=True),
        "size": filesizeformat(state["size"]),
    }
    if not state["finished"]:
        text = _("%(done)s of %(total)s events, %(size)s") % words
    elif state["whole"]:
        text = _("Complete: %(done)s events, %(size)s.") % words
    else:
        text = _(
            "Broken off after %(done)s of %(total)s events: the file is not complete. Download it "
            "again, or from where it ends with GET /v1/export/raw and `after`."
        )
        text %= words
    return {
        "done": state["done"], "total": state["total"], "finished": state["finished"], "text": text,
    }  # fmt: skip
