"""Finding packages of every format: what a path holds decides, not its name's promise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from django.utils.translation import gettext as _

from tasks.formats import archives, humaneval, kattis
from tasks.formats.kattis_problem import MANIFEST as KATTIS_MANIFEST
from tasks.manifest import PackageError
from tasks.packages import BANK, MANIFEST, Defaults, Package, parse

_MARKS = (MANIFEST, "tests.json", KATTIS_MANIFEST)


@dataclass(frozen=True, slots=True)
class Found:
    """A package that may be read; `path` is what a person calls it."""

    path: Path
    read: Callable[[], Package]


def find(
    paths: Iterable[Path], *, workspace: Path, defaults: Defaults | None = None
) -> Iterator[Found]:
    """The packages at or under `paths` (default: the bank), each once.

    Folders are of our format or of Kattis'; archives (`.zip`, `.kpp`) of such folders are unpacked
    into `workspace`, a folder that must live until they are read; a `.jsonl` file holds HumanEval
    records. Raises `PackageError` for a path that holds no package. What an archive or a file of
    records hides is an error of the one package only.
    """
    defaults = defaults or Defaults()
    seen: set[Path] = set()
    for path in list(paths) or [BANK]:
        if not path.exists():
            raise PackageError(path, _("there is no such file or folder"))
        if path.suffix.lower() in archives.SUFFIXES and path.is_file():
            yield from _in_archive(path, workspace, defaults)
        elif path.suffix.lower() == humaneval.SUFFIX and path.is_file():
            yield from _records(path, defaults)
        else:
            root = path.parent if path.name in (MANIFEST, KATTIS_MANIFEST) else path
            if not (folders := _folders(root)):
                raise PackageError(
                    path, _("no package here: no folder with a task.toml or a problem.yaml")
                )
            for folder in folders:
                if folder.resolve() not in seen:
                    seen.add(folder.resolve())
                    yield _folder(folder, defaults)


def _folders(root: Path) -> list[Path]:
    """The package folders at or under `root`, none of them inside of another, in order."""
    found: list[Path] = []
    for folder in sorted({file.parent for name in _MARKS for file in root.rglob(name)}):
        if not any(folder.is_relative_to(outer) for outer in found):
            found.append(folder)
    return found


def _folder(folder: Path, defaults: Defaults) -> Found:
    if (folder / KATTIS_MANIFEST).is_file() and not (folder / MANIFEST).is_file():
        return Found(folder, lambda: kattis.parse(folder, defaults))
    return Found(folder, lambda: parse(folder))


def _records(path: Path, defaults: Defaults) -> Iterator[Found]:
    found = False
    for record in humaneval.records(path):
        found = True
        yield Found(path, lambda record=record: humaneval.parse(record, defaults))  # type: ignore[misc]
    if not found:
        raise PackageError(path, _("holds no record"))


def _in_archive(archive: Path, workspace: Path, defaults: Defaults) -> Iterator[Found]:
    """The packages of an archive; one that cannot be unpacked is refused when it is read."""
    # A folder that is named as the archive: files at the top of it are the package of that name.
    place = Path(tempfile.mkdtemp(dir=workspace)) / archive.stem
    place.mkdir()
    try:
        archives.unpack(archive, place)
        if not (folders := _folders(place)):
            raise PackageError(
                archive, _("no package here: no folder with a task.toml or a problem.yaml")
            )
    except PackageError as error:
        yield Found(archive, _refusing(error))
        return
    for folder in folders:
        yield Found(
            archive / folder.relative_to(place),
            _named(_folder(folder, defaults), place, archive),
        )


def _refusing(error: PackageError) -> Callable[[], Package]:
    def read() -> Package:
        raise error

    return read


def _named(found: Found, place: Path, archive: Path) -> Callable[[], Package]:
    """Reads as `found` does, and speaks of the archive instead of the place it was unpacked to."""

    def read() -> Package:
        try:
            package = found.read()
        except PackageError as error:
            raise PackageError(archive / error.path.relative_to(place), error.reason)
        return replace(package, folder=archive / package.folder.relative_to(place))

    return read
