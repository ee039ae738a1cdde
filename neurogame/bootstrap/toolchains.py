"""The languages of the coding tasks that this machine lacks, for a run of the tests to say so."""

from __future__ import annotations


def missing() -> dict[str, str]:
    """What is not tested here, by the language's name, and the command that changes it."""
    from tasks.sandbox.languages import LANGUAGES

    return {
        name: f"programs in {name}. To test them: apt-get install {language.package}"
        for name, language in LANGUAGES.items()
        if not language.available()
    }
