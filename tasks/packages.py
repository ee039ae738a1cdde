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
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import JSONNull
from django.utils.translation import gettext as _

from tasks import checkers
from tasks.enums import Kind, ProgramRole, Verdict
from tasks.manifest import PackageError, Table, read_manifest, read_text
from tasks.models import CodingTask, TaskProgram, TaskTest, TaskTranslation
from tasks.package_tests import check_expected, read_tests
from tasks.spec import Limits, TaskSpec, TestCase

BANK = Path(__file__).resolve().parent / "bank"
MANIFEST = "task.toml"
LOCALES = ("en", "ru")
SUFFIXES = {"python": ".py", "javascript": ".js"}
FORMAT = 2
KINDS = ("stdio", "function")
HINTS = 3

_COPIED = (
    "track",
    "kind",
    "entry",
    "difficulty",
    "discrimination",
    "time_limit_s",
    "starter",
    "checker",
    "checker_options",
    "checksum",
)
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Submission:
    """A program of the package and the verdict that the judge must give it."""

    expected: Verdict
    language: str
    path: Path
    source: str

    @property
    def name(self) -> str:
        """What the database calls it: the folder's verdict and the file."""
        return f"{self.expected}/{self.path.name}"


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
    submissions: tuple[Submission, ...]
    checksum: str

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
        # A folder with tests alone is a package too: one whose manifest is missing.
        found = sorted(
            {file.parent for name in (MANIFEST, "tests.json") for file in root.rglob(name)}
        )
        if not found:
            raise PackageError(path, _("no package here: no folder with a task.toml"))
        for folder in found:
            if (key := folder.resolve()) not in seen:
                seen.add(key)
                yield folder


def digest(folder: Path) -> str:
    """SHA-256 over the format's version and the names and contents of a package's files, in hex."""
    total = hashlib.sha256(f"{FORMAT}\0".encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if "__pycache__" in path.parts:
            continue
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
    track = manifest.text("track", pattern=_SLUG, max_length=20)
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
        checker=manifest.choice("checker", checkers.CHECKERS, default=checkers.DEFAULT),
        checker_options=manifest.table("checker_options", default={}).rest(),
        limits=_limits(manifest.table("limits", default={})),
        titles=_translations(manifest.table("title"), max_length=200),
        statements={
            locale: read_text(folder / f"statement.{locale}.md", filled=True) for locale in LOCALES
        },
        hints=_hints(manifest),
        starter=_starter(folder / "starter", languages),
        tests=read_tests(folder / "tests.json", kind),
        submissions=_submissions(folder / "submissions", languages),
        checksum=digest(folder),
    )
    manifest.close()
    check_expected(folder, package.spec)
    return package


class Stored(StrEnum):
    """What `store` did."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@transaction.atomic
def store(package: Package) -> tuple[CodingTask, Stored]:
    """Write a package to the database, whole or not at all.

    The slug identifies the task. A task whose stored checksum is the package's is left alone, so
    that what an operator has changed in the admin since then stays; `active` is never touched.
    """
    found = CodingTask.objects.select_for_update().filter(slug=package.slug).first()
    if found and found.checksum == package.checksum:
        return found, Stored.UNCHANGED
    task = found or CodingTask(slug=package.slug)
    for name in _COPIED:
        setattr(task, name, getattr(package, name))
    task.languages = list(package.languages)
    task.cpu_s = package.limits.time_s
    task.memory_mb = package.limits.memory_mb
    task.output_kb = package.limits.output_kb
    task.save()
    task.translations.all().delete()
    TaskTranslation.objects.bulk_create(
        TaskTranslation(
            task=task,
            locale=locale,
            title=package.titles[locale],
            statement=package.statements[locale],
            hints=[hint[locale] for hint in package.hints],
        )
        for locale in LOCALES
    )
    task.tests.all().delete()
    TaskTest.objects.bulk_create(
        TaskTest(
            task=task,
            order=order,
            name=test.name,
            visible=test.visible,
            stdin=test.stdin,
            args=test.args,
            expected=JSONNull() if test.expected is None else test.expected,
        )
        for order, test in enumerate(package.tests, start=1)
    )
    task.programs.all().delete()
    TaskProgram.objects.bulk_create(
        TaskProgram(
            task=task,
            role=ProgramRole.SUBMISSION,
            name=submission.name,
            language=submission.language,
            expected=submission.expected,
            source=submission.source,
        )
        for submission in package.submissions
    )
    return task, Stored.CHANGED if found else Stored.CREATED


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` did: how many packages went which way, and those that were refused."""

    stored: Counter[Stored]
    rejected: tuple[PackageError, ...]


def load(folders: Iterable[Path]) -> Loaded:
    """Parse and store each folder; a package that is refused changes nothing and stops nobody."""
    stored: Counter[Stored] = Counter()
    rejected: list[PackageError] = []
    seen: set[str] = set()
    for folder in folders:
        try:
            package = parse(folder)
            if package.slug in seen:
                raise PackageError(folder, _("another package has the same slug"))
            seen.add(package.slug)
        except PackageError as error:
            rejected.append(error)
            continue
        stored[store(package)[1]] += 1
    return Loaded(stored, tuple(rejected))


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
                folder / "AC",
                _("needs a right solution in %(language)s") % {"language": language},
            )
    if not any(s.expected == Verdict.WA for s in found):
        raise PackageError(folder / "WA", _("needs at least one wrong solution"))
    return tuple(found)
