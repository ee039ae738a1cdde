"""The package format of the bank: one folder a task, `<track>/<slug>/`.

    task.toml                       what the task is: slug, track, kind, difficulty, limits, titles, hints
    statement.en.md, statement.ru.md
    starter/python.py, starter/javascript.js
    tests.json                      2-3 visible tests first, then at least 6 hidden ones
    validator.py                    judges outputs, where the checker is `validator`
    submissions/<VERDICT>/*         programs and the verdict that each must get

`parse` reads one folder and refuses it with the file at fault and a reason; nothing is guessed.
A package that was imported (`origin`) may have one language only, no hints, no starter code, and
as many tests as it came with. `store` writes what was parsed to the database; other formats become
a `Package` in `importing`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import JSONNull
from django.utils.translation import gettext as _

from tasks import checkers
from tasks.enums import Kind, Origin, ProgramRole
from tasks.manifest import PackageError, Table, read_manifest, read_text
from tasks.models import CodingTask, TaskProgram, TaskTest, TaskTranslation
from tasks.package_programs import (
    LANGUAGES,
    SUFFIXES,
    Submission,
    read_starter,
    read_submissions,
    read_validator,
)
from tasks.package_tests import IMPORTED, OWN, check_expected, read_groups, read_tests
from tasks.spec import VALIDATOR, Limits, TaskSpec, TestCase, TestGroup, Validator

BANK = Path(__file__).resolve().parent / "bank"
MANIFEST = "task.toml"
LOCALES = ("en", "ru")
FORMAT = 1
HINTS = 3
DIFFICULTIES = (-2.5, 2.5)
DISCRIMINATIONS = (0.6, 2.0)

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
    "origin",
    "credits",
    "checksum",
    "equivalent_mutants",
)
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LOCALE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Package:
    """A whole, valid package. `difficulty` and `discrimination` are b and a of the 2PL model;
    `time_limit_s` is what the candidate has for the task, in seconds; texts are keyed by locale,
    `starter` by language. `notes` say what an importer has left out."""

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
    groups: tuple[TestGroup, ...] = ()
    validator: Validator | None = None
    origin: Origin = Origin.NEUROGAME
    credits: str = ""
    notes: tuple[str, ...] = ()
    equivalent_mutants: tuple[str, ...] = ()

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
            groups=self.groups,
            validator=self.validator,
        )


@dataclass(frozen=True, slots=True)
class Defaults:
    """What our tasks have and packages of other formats lack."""

    track: str = "imported"
    difficulty: float = 0.0
    discrimination: float = 1.0
    time_limit_s: int = 900

    def __post_init__(self) -> None:
        if not re.fullmatch(_SLUG, self.track) or len(self.track) > 20:
            raise ValueError(_("a track is lower-case letters, digits and single dashes"))
        for value, (low, high) in (
            (self.difficulty, DIFFICULTIES),
            (self.discrimination, DISCRIMINATIONS),
        ):
            if not low <= value <= high:
                raise ValueError(_("must be from %(low)s to %(high)s") % {"low": low, "high": high})


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
    kind = manifest.choice("kind", Kind.values)
    if kind == Kind.FUNCTION:
        entry = manifest.text("entry", pattern=_IDENTIFIER)
    elif entry := manifest.take("entry", ""):
        manifest.refuse(_("entry is for the kind function only"))
    languages = manifest.choices("languages", LANGUAGES[Kind(kind)])
    origin = Origin(manifest.choice("origin", Origin.values, default=Origin.NEUROGAME))
    own = origin == Origin.NEUROGAME
    locales = LOCALES if own else _locales(folder)
    checker = _checker(manifest, kind)
    tests = read_tests(folder / "tests.json", kind, OWN if own else IMPORTED)
    package = Package(
        folder=folder,
        slug=slug,
        track=track,
        kind=kind,
        entry=entry,
        difficulty=manifest.number("difficulty", *DIFFICULTIES),
        discrimination=manifest.number("discrimination", *DISCRIMINATIONS),
        time_limit_s=manifest.integer("time_limit_s", 60, 4 * 3600),
        languages=languages,
        checker=checker,
        checker_options=manifest.table("checker_options", default={}).rest(),
        limits=_limits(manifest.table("limits", default={})),
        titles=_translations(manifest.table("title"), locales, max_length=200),
        statements={
            locale: read_text(folder / f"statement.{locale}.md", filled=True) for locale in locales
        },
        hints=_hints(manifest, locales, own=own),
        starter=read_starter(folder / "starter", languages, own=own),
        tests=tests,
        groups=read_groups(manifest, tests),
        validator=read_validator(manifest, folder, kind, checker),
        submissions=read_submissions(folder / "submissions", languages, own=own),
        origin=origin,
        credits=manifest.text("credits", max_length=2000, default=""),
        checksum=digest(folder),
        equivalent_mutants=_equivalent(manifest.table("mutation", default={})),
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
    Raises `PackageError` when the slug is that of a task of another format, another task therefore.
    """
    found = CodingTask.objects.select_for_update().filter(slug=package.slug).first()
    if found and found.origin != package.origin:
        raise PackageError(
            package.folder,
            _("a task of another format has the slug %(slug)s") % {"slug": package.slug},
        )
    if found and found.checksum == package.checksum:
        if not found.programs.exists():  # it was stored before programs were
            _store_programs(found, package)
        return found, Stored.UNCHANGED
    task = found or CodingTask(slug=package.slug)
    for name in _COPIED:
        setattr(task, name, getattr(package, name))
    task.languages = list(package.languages)
    task.cpu_s = package.limits.time_s
    task.memory_mb = package.limits.memory_mb
    task.output_kb = package.limits.output_kb
    task.groups = [group.to_dict() for group in package.groups]
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
        for locale in package.titles
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
            group=test.group,
        )
        for order, test in enumerate(package.tests, start=1)
    )
    task.programs.all().delete()
    _store_programs(task, package)
    return task, Stored.CHANGED if found else Stored.CREATED


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` did: how many packages went which way, those that were refused, and what was left
    out of those that were not."""

    stored: Counter[Stored]
    rejected: tuple[PackageError, ...]
    notes: tuple[tuple[Path, str], ...]


def load(found: Iterable[Any], read: Callable[[Any], Package] = parse) -> Loaded:
    """Read and store each package; one that is refused changes nothing and stops nobody."""
    stored: Counter[Stored] = Counter()
    rejected: list[PackageError] = []
    notes: list[tuple[Path, str]] = []
    seen: set[str] = set()
    for each in found:
        try:
            package = read(each)
            if package.slug in seen:
                raise PackageError(package.folder, _("another package has the same slug"))
            seen.add(package.slug)
            stored[store(package)[1]] += 1
        except PackageError as error:
            rejected.append(error)
            continue
        notes += [(package.folder, note) for note in package.notes]
    return Loaded(stored, tuple(rejected), tuple(notes))


def _store_programs(task: CodingTask, package: Package) -> None:
    TaskProgram.objects.bulk_create(TaskProgram(task=task, **row) for row in _programs(package))


def _programs(package: Package) -> Iterator[dict[str, Any]]:
    """The rows of the package's programs."""
    for submission in package.submissions:
        yield {
            "role": ProgramRole.SUBMISSION,
            "name": submission.name,
            "language": submission.language,
            "expected": submission.expected,
            "source": submission.source,
        }
    if validator := package.validator:
        yield {
            "role": ProgramRole.VALIDATOR,
            "name": f"{VALIDATOR}{SUFFIXES[validator.language]}",
            "language": validator.language,
            "source": validator.source,
            "arguments": list(validator.arguments),
        }


def _locales(folder: Path) -> tuple[str, ...]:
    """The languages that an imported package has its statement in, English first."""
    found = {path.name.split(".")[1] for path in folder.glob("statement.*.md")}
    if unknown := sorted(locale for locale in found if not LOCALE.fullmatch(locale)):
        raise PackageError(folder / f"statement.{unknown[0]}.md", _("is in no known language"))
    if not found:
        raise PackageError(folder / "statement.en.md", _("is missing"))
    return tuple(sorted(found, key=lambda locale: (locale != "en", locale)))


def _translations(table: Table, locales: Iterable[str], *, max_length: int) -> dict[str, str]:
    texts = {locale: table.text(locale, max_length=max_length) for locale in locales}
    table.close()
    return texts


def _checker(manifest: Table, kind: str) -> str:
    if kind == Kind.SQL:
        return manifest.choice("checker", ("sql_rows",), default="sql_rows")
    return manifest.choice("checker", (*checkers.CHECKERS, VALIDATOR), default=checkers.DEFAULT)


def _hints(manifest: Table, locales: Iterable[str], *, own: bool) -> tuple[dict[str, str], ...]:
    tables = manifest.tables("hints") if own else manifest.tables("hints", default=[])
    if len(tables) != HINTS and (own or tables):
        manifest.refuse_key("hints", _("there must be exactly %(count)d") % {"count": HINTS})
    return tuple(_translations(table, locales, max_length=2000) for table in tables)


def _equivalent(table: Table) -> tuple[str, ...]:
    """Names of mutants of the references that no test can tell from the reference itself."""
    names = table.take("equivalent", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        table.refuse_key("equivalent", _("must be a list of names of mutants"))
    table.close()
    return tuple(names)


def _limits(table: Table) -> Limits:
    usual = Limits()
    limits = Limits(
        time_s=table.number("time_s", 0.1, 10, usual.time_s),
        memory_mb=table.integer("memory_mb", 16, 1024, usual.memory_mb),
        output_kb=table.integer("output_kb", 1, 1024, usual.output_kb),
    )
    table.close()
    return limits
