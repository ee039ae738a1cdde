"""The voice of the scripted interviewer: phrasings chosen without chance, numbers, times."""

from __future__ import annotations

import zlib
from types import ModuleType

from interviews.interviewer import texts_en, texts_ru
from interviews.interviewer.context import InterviewContext

LANGUAGES: dict[str, ModuleType] = {"en": texts_en, "ru": texts_ru}
SHOWN_CHARS = 240


class Voice:
    """The phrasings of one language, chosen for one situation."""

    def __init__(self, context: InterviewContext) -> None:
        self.context = context
        self.texts = LANGUAGES.get(context.locale, texts_en)
        self._said = [turn.text for turn in context.history if turn.role == "interviewer"][-6:]

    def has(self, key: str) -> bool:
        return key in self.texts.TEXTS

    def say(self, key: str, **values: object) -> str:
        """A phrasing of `key`: the one that the seed points to, or the next not said lately."""
        options = self.texts.TEXTS[key]
        first = zlib.crc32(f"{self.context.seed}:{key}".encode()) % len(options)
        spoken = [
            str(options[(first + step) % len(options)].format(**values))
            for step in range(len(options))
        ]
        fresh = (text for text in spoken if not any(text in said for said in self._said if text))
        return next(fresh, spoken[0])

    def units(self, count: int, unit: str) -> str:
        """`count` with its unit in the right grammatical number."""
        forms = self.texts.UNITS[unit]
        if len(forms) == 2:
            return f"{count} {forms[0] if count == 1 else forms[1]}"
        if count % 10 == 1 and count % 100 != 11:
            return f"{count} {forms[0]}"
        if count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14):
            return f"{count} {forms[1]}"
        return f"{count} {forms[2]}"

    def span(self, seconds: float) -> str:
        """A time in words: minutes from two minutes on, seconds below."""
        if seconds >= 120:
            return self.units(int(seconds // 60), "minute")
        return self.units(max(0, int(seconds)), "second")

    @property
    def title(self) -> str:
        return self.context.task.title if self.context.task else ""

    @property
    def name(self) -> str:
        return f", {self.context.candidate}" if self.context.candidate else ""

    def go_on(self) -> str:
        """A sentence that leads back to the task, or to the next one."""
        if not self.context.task:
            return self.say("next.no_task")
        return self.say("next.task", title=self.title)


def shown(text: str, nothing: str, limit: int = SHOWN_CHARS) -> str:
    """A piece of input or output as it is shown in a message: short, never empty."""
    text = text.strip("\n")
    if not text.strip():
        return nothing
    lines = text.split("\n")
    cut = "\n".join(lines[:8])[:limit]
    return cut + (" …" if len(cut) < len(text) else "")
