"""The languages that a sandbox can run: one file each, and this registry."""

from __future__ import annotations

from tasks.sandbox.languages.base import Language
from tasks.sandbox.languages.javascript import JavaScript
from tasks.sandbox.languages.python import Python

LANGUAGES: dict[str, Language] = {language.name: language for language in (Python(), JavaScript())}


def available_languages() -> tuple[str, ...]:
    """Names of the languages that this machine has."""
    return tuple(name for name, language in LANGUAGES.items() if language.available())


__all__ = ["LANGUAGES", "Language", "available_languages"]
