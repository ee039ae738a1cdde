"""What a model thinks stays with the model: `<think>…</think>` taken out of a stream of text."""

from __future__ import annotations

import re

_TAG = re.compile(r"<\s{0,4}(/?)\s{0,4}think(?:ing)?\s{0,4}>", re.IGNORECASE)
# Any beginning of a tag, at the end of what has arrived so far.
_BEGINNING = re.compile(
    r"<\s{0,4}/?\s{0,4}(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?\s{0,4}\Z", re.IGNORECASE
)


class ThinkFilter:
    """Passes on what is not thinking, however the text is cut into pieces.

    Tags nest, an opening tag without its end hides everything after it, a closing tag without a
    beginning is dropped. With `lead` the white space before the first visible character goes
    too. For every cutting of a text into pieces the visible text is the same.
    """

    def __init__(self, *, lead: bool = True) -> None:
        self._depth = 0
        self._held = ""
        self._lead = lead

    @property
    def thinking(self) -> bool:
        return self._depth > 0

    def feed(self, piece: str) -> str:
        """The visible text that is certain once `piece` has arrived, possibly empty."""
        text = self._held + piece
        self._held = ""
        visible: list[str] = []
        at = 0
        for tag in _TAG.finditer(text):
            if not self._depth:
                visible.append(text[at : tag.start()])
            self._depth = max(0, self._depth - 1) if tag.group(1) else self._depth + 1
            at = tag.end()
        rest = text[at:]
        beginning = _BEGINNING.search(rest)
        if beginning:
            self._held = beginning.group()
            rest = rest[: beginning.start()]
        if not self._depth:
            visible.append(rest)
        return self._emit("".join(visible))

    def close(self) -> str:
        """What was held back as a possible tag and is none, at the end of the text."""
        held, self._held = self._held, ""
        return "" if self._depth else self._emit(held)

    def _emit(self, text: str) -> str:
        if self._lead:
            text = text.lstrip()
            self._lead = not text
        return text


def without_thinking(text: str) -> str:
    """The visible part of a whole text."""
    thinking = ThinkFilter()
    return thinking.feed(text) + thinking.close()
