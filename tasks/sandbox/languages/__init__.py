"""The languages that a sandbox can run: one file each, and this registry."""

from __future__ import annotations

from functools import cache

from tasks.sandbox.languages import gcc
from tasks.sandbox.languages.base import Language, Part
from tasks.sandbox.languages.go import Go
from tasks.sandbox.languages.java import Java
from tasks.sandbox.languages.javascript import JavaScript
from tasks.sandbox.languages.python import Python
from tasks.sandbox.languages.rust import Rust
from tasks.sandbox.languages.sql import Sql
from tasks.sandbox.languages.typescript import TypeScript

_PYTHON, _JAVASCRIPT, _TYPESCRIPT = Python(), JavaScript(), TypeScript()
_JAVA, _GO, _RUST, _SQL = Java(), Go(), Rust(), Sql()

LANGUAGES: dict[str, Language] = {
    language.name: language
    for language in (
        *(_PYTHON, _JAVASCRIPT, _TYPESCRIPT),
        *(gcc.C, gcc.Cpp, _JAVA, _GO, _RUST),
        _SQL,
    )
}

# What is in each root file system. Programs that only need an interpreter share one; a compiler is
# in a root of its own, and what it made runs in one without it.
SCRIPTS = "scripts"
ROOTS: dict[str, tuple[Part, ...]] = {
    SCRIPTS: (_PYTHON, _JAVASCRIPT, _SQL),
    "native": (gcc.Runtime(),),
    "gcc": (gcc.Compiler(),),
    "rust": (gcc.Linker(), _RUST),
    "go": (_GO,),
    "java": (_JAVA,),
    "typescript": (_TYPESCRIPT,),
}


def available_languages() -> tuple[str, ...]:
    """Names of the languages that this machine has."""
    return tuple(name for name, language in LANGUAGES.items() if language.available())


@cache
def installed_versions() -> dict[str, str]:
    """The languages that this machine has, with their versions; looked up once in a process."""
    return {name: ", ".join(LANGUAGES[name].versions()) for name in available_languages()}


__all__ = [
    "LANGUAGES",
    "ROOTS",
    "SCRIPTS",
    "Language",
    "available_languages",
    "installed_versions",
]
