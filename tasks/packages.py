"""The package format of the bank: one folder a task, `<track>/<slug>/`.

    task.toml                       what the task is: slug, track, kind, difficulty, limits, titles, hints
    statement.en.md, statement.ru.md
    starter/python.py, starter/javascript.js
    tests.json                      2-3 visible tests first, then at least 6 hidden ones
    submissions/<VERDICT>/*         programs and the verdict that each must get

`parse` reads one folder and refuses it with the file at fault and a reason; nothing is guessed.
`store` writes what was parsed to the database.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from tasks.enums import Kind, Verdict
from tasks.manifest import PackageError, Table, read_manifest, read_text
from tasks.spec import Limits, TaskSpec, TestCase

BANK = Path(__file__).resolve().parent / "bank"
MANIFEST = "task.toml"
LOCALES = ("en", "ru")
SUFFIXES = {"python": ".py", "javascript": ".js"}
KINDS = (Kind.STDIO.value, Kind.FUNCTION.value)
CHECKERS = ("exact", "tokens", "lines", "floats", "unordered_lines", "sorted_tokens", "json")
HINTS = 3
VISIBLE_TESTS = (2, 3)
HIDDEN_TESTS = (6, 200)
MAX_TEST_BYTES = 256 * 1024

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Submission:
    """A program of the package and the verdict that the judge must give it."""

    expected: Verdict
    language: str
    path: Path
    source: str


@dataclass(frozen=True, slots=True)
class Package:
    """A whole, valid package. `difficulty` and `discrimination` are b and a of the 2PL model;
    `time_limit_s` is what the candidate has for the task, in seconds; texts are keyed by locale,
    `starter` by language."""

    folder: Path
    slug: str
    track: str
    kind: str
    entry: str
    difficulty: float
    discrimination: float
    time_limit_s: int
    languages: tuple[str, ...]
    checker: str
    checker_options: dict[str, Any]
    limits: Limits
    titles: dict[str, str]
    statements: dict[str, str]
    hints: tuple[dict[str, str], ...]
    starter: dict[str, str]
    tests: tuple[TestCase, ...]
    submissions: tuple[Submission, ...] = field(default=())

    @property
    def spec(self) -> TaskSpec:
        """The task as the judge sees it."""
        return TaskSpec(
            slug=self.slug,
            kind=self.kind,
            limits=self.limits,
            entry=self.entry,
            checker=self.checker,
            checker_options=dict(self.checker_options),
            tests=self.tests,
        )


def discover(paths: Iterable[Path] = ()) -> Iterator[Path]:
    """The package folders at or under `paths` (default: the bank), each once, in the order of names.

    A path that holds no package is a `PackageError`: a misspelt path must not pass for success.
    """
    seen: set[Path] = set()
    for path in list(paths) or [BANK]:
        if not path.exists():
            raise PackageError(path, _("there is no such file or folder"))
        root = path.parent if path.name == MANIFEST else path
        found = sorted(manifest.parent for manifest in root.rglob(MANIFEST))
        if not found:
            raise PackageError(path, _("no package here: no folder with a task.toml"))
        for folder in found:
            if (key := folder.resolve()) not in seen:
                seen.add(key)
                yield folder


def digest(folder: Path) -> str:
    """SHA-256 over names and contents of all files of a package, in hexadecimal."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        total.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def parse(folder: Path) -> Package:
    """Read and check one package folder. Raises `PackageError` for whatever breaks the format."""
    if not folder.is_dir():
        raise PackageError(folder, _("a package is a folder"))
    manifest = read_manifest(folder / MANIFEST)
    slug = manifest.text("slug", pattern=_SLUG)
    if slug != folder.resolve().name:
        manifest.refuse(_("slug is %(slug)s, but the folder has another name") % {"slug": slug})
    track = manifest.text("track", pattern=_SLUG)
    kind = manifest.choice("kind", KINDS)
    if kind == Kind.FUNCTION:
        entry = manifest.text("entry", pattern=_IDENTIFIER)
    elif entry := manifest.take("entry", ""):
        manifest.refuse(_("entry is for the kind function only"))
    languages = manifest.choices("languages", tuple(SUFFIXES))
    package = Package(
        folder=folder,
        slug=slug,
        track=track,
        kind=kind,
        entry=entry,
        difficulty=manifest.number("difficulty", -2.5, 2.5),
        discrimination=manifest.number("discrimination", 0.6, 2.0),
        time_limit_s=manifest.integer("time_limit_s", 60, 4 * 3600),
        languages=languages,
        checker=manifest.choice("checker", CHECKERS, default="tokens"),
        checker_options=manifest.table("checker_options", default={}).rest(),
        limits=_limits(manifest.table("limits", default={})),
        titles=_translations(manifest.table("title"), max_length=200),
        statements={
            locale: read_text(folder / f"statement.{locale}.md", filled=True) for locale in LOCALES
        },
        hints=_hints(manifest),
        starter=_starter(folder / "starter", languages),
        tests=_tests(folder / "tests.json", kind),
        submissions=_submissions(folder / "submissions", languages),
    )
    manifest.close()
    return package


def _translations(table: Table, *, max_length: int) -> dict[str, str]:
    texts = {locale: table.text(locale, max_length=max_length) for locale in LOCALES}
    table.close()
    return texts


def _hints(manifest: Table) -> tuple[dict[str, str], ...]:
    tables = manifest.tables("hints")
    if len(tables) != HINTS:
        manifest.refuse_key("hints", _("there must be exactly %(count)d") % {"count": HINTS})
    return tuple(_translations(table, max_length=2000) for table in tables)


def _limits(table: Table) -> Limits:
    usual = Limits()
    limits = Limits(
        time_s=table.number("time_s", 0.1, 10, usual.time_s),
        memory_mb=table.integer("memory_mb", 16, 1024, usual.memory_mb),
        output_kb=table.integer("output_kb", 1, 1024, usual.output_kb),
    )
    table.close()
    return limits


def _starter(folder: Path, languages: tuple[str, ...]) -> dict[str, str]:
    return {
        language: read_text(folder / f"{language}{SUFFIXES[language]}") for language in languages
    }


def _tests(path: Path, kind: str) -> tuple[TestCase, ...]:
    def not_json(constant: str) -> NoReturn:
        raise ValueError(_("%(constant)s is not JSON") % {"constant": constant})

    try:
        rows = json.loads(read_text(path), parse_constant=not_json)
    except (ValueError, RecursionError) as error:
        raise PackageError(path, _("is not JSON: %(error)s") % {"error": error})
    if not isinstance(rows, list):
        raise PackageError(path, _("must be a list of tests"))
    read = _TESTS[kind]
    tests = tuple(read(path, index, row) for index, row in enumerate(rows))
    visible = sum(test.visible for test in tests)
    for count, (low, high), what in (
        (visible, VISIBLE_TESTS, _("visible")),
        (len(tests) - visible, HIDDEN_TESTS, _("hidden")),
    ):
        if not low <= count <= high:
            raise PackageError(
                path,
                _("must have from %(low)d to %(high)d %(what)s tests, has %(count)d")
                % {"low": low, "high": high, "what": what, "count": count},
            )
    if any(not test.visible for test in tests[:visible]):
        raise PackageError(path, _("visible tests must come before hidden ones"))
    names = [test.name for test in tests]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PackageError(path, _("name used twice: %(names)s") % {"names": sorted(twice)[0]})
    return tests


def _test_fields(path: Path, index: int, row: Any, given: str) -> dict[str, Any]:
    """The fields of one test after the checks that both kinds share; `given` is `stdin` or `args`."""

    def refuse(reason: str) -> NoReturn:
        raise PackageError(
            path, _("test %(number)d: %(reason)s") % {"number": index + 1, "reason": reason}
        )

    expected_keys = {"name", "visible", given, "expected"}
    if not isinstance(row, dict) or set(row) != expected_keys:
        refuse(
            _("must have exactly the keys %(keys)s") % {"keys": ", ".join(sorted(expected_keys))}
        )
    if not isinstance(row["name"], str) or not (
        len(row["name"]) <= 64 and _SLUG.fullmatch(row["name"])
    ):
        refuse(_("name must be lower-case letters, digits and single dashes, at most 64"))
    if not isinstance(row["visible"], bool):
        refuse(_("visible must be true or false"))
    text = json.dumps([row[given], row["expected"]], ensure_ascii=False)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        refuse(_("holds a lone surrogate"))
    if size > MAX_TEST_BYTES:
        refuse(_("is larger than %(limit)d bytes") % {"limit": MAX_TEST_BYTES})
    if _NUL.search(text):
        refuse(_("holds a NUL character"))
    if given == "stdin" and not (
        isinstance(row["stdin"], str) and isinstance(row["expected"], str)
    ):
        refuse(_("stdin and expected must be texts"))
    if given == "args" and not isinstance(row["args"], list):
        refuse(_("args must be a list"))
    return row


def _stdio_test(path: Path, index: int, row: Any) -> TestCase:
    return TestCase(**_test_fields(path, index, row, "stdin"))


def _function_test(path: Path, index: int, row: Any) -> TestCase:
    return TestCase(**_test_fields(path, index, row, "args"))


_TESTS: dict[str, Callable[[Path, int, Any], TestCase]] = {
    Kind.STDIO: _stdio_test,
    Kind.FUNCTION: _function_test,
}


def _submissions(folder: Path, languages: tuple[str, ...]) -> tuple[Submission, ...]:
    """Every program of the package; each language has a right one in `AC`, and `WA` is not empty."""
    if not folder.is_dir():
        raise PackageError(folder, _("is missing"))
    by_suffix = {SUFFIXES[language]: language for language in languages}
    found: list[Submission] = []
    for group in sorted(folder.iterdir()):
        if not group.is_dir() or group.name not in Verdict.values:
            raise PackageError(
                group,
                _("must be a folder named after a verdict: %(names)s")
                % {"names": ", ".join(Verdict.values)},
            )
        for path in sorted(group.iterdir()):
            if path.name == "__pycache__":
                continue
            if not (language := by_suffix.get(path.suffix)):
                raise PackageError(path, _("is in no language of this task"))
            source = read_text(path, filled=True)
            found.append(Submission(Verdict(group.name), language, path, source))
    for language in languages:
        if not any(s.expected == Verdict.AC and s.language == language for s in found):
            raise PackageError(
                folder / Verdict.AC,
                _("needs a right solution in %(language)s") % {"language": language},
            )
    if not any(s.expected == Verdict.WA for s in found):
        raise PackageError(folder / Verdict.WA, _("needs at least one wrong solution"))
    return tuple(found)
