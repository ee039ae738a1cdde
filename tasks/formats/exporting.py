"""Tasks of the database as packages again: files by their names, written whole or not at all."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from tasks.enums import Kind, Origin, ProgramRole
from tasks.formats import kattis, kattis_writing
from tasks.formats.kattis_writing import ExportError
from tasks.models import CodingTask
from tasks.package_programs import SUFFIXES
from tasks.packages import MANIFEST, Defaults, PackageError, parse
from tasks.spec import VALIDATOR

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# The oldest date that zip knows: the same tasks give the same archive.
_DATE = (1980, 1, 1, 0, 0, 0)


def native_files(task: CodingTask) -> dict[str, str]:
    """The files of a package of our format."""
    texts = {text.locale: text for text in task.translations.all()}
    own = task.origin == Origin.NEUROGAME
    manifest: dict[str, Any] = {
        "slug": task.slug,
        "track": task.track,
        "kind": task.kind,
        **({"entry": task.entry} if task.entry else {}),
        "difficulty": task.difficulty,
        "discrimination": task.discrimination,
        "time_limit_s": task.time_limit_s,
        "languages": task.languages,
        "checker": task.checker,
        **({} if own else {"origin": task.origin}),
        **({"credits": task.credits} if task.credits else {}),
        "checker_options": task.checker_options,
        "title": {locale: text.title for locale, text in texts.items()},
        "limits": {
            "time_s": task.cpu_s,
            "memory_mb": task.memory_mb,
            "output_kb": task.output_kb,
        },
    }
    files = {f"statement.{locale}.md": text.statement for locale, text in texts.items()}
    for program in task.programs.all():
        if program.role == ProgramRole.VALIDATOR:
            manifest[VALIDATOR] = {"arguments": program.arguments}
            files[program.name] = program.source
        else:
            files[f"submissions/{program.name}"] = program.source
    manifest["groups"] = task.groups
    if task.equivalent_mutants:
        manifest["mutation"] = {"equivalent": task.equivalent_mutants}
    hints = zip(*(text.hints for text in texts.values()), strict=True)
    manifest["hints"] = [dict(zip(texts, hint, strict=True)) for hint in hints]
    for language, source in task.starter.items():
        files[f"starter/{language}{SUFFIXES[language]}"] = source
    given = "args" if task.kind == Kind.FUNCTION else "stdin"
    rows = [
        {
            "name": test.name,
            "visible": test.visible,
            given: getattr(test, given),
            "expected": test.expected,
            **({"group": test.group} if test.group else {}),
        }
        for test in task.tests.all()
    ]
    files["tests.json"] = json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    files[MANIFEST] = to_toml(manifest)
    return files


def to_toml(values: Mapping[str, Any]) -> str:
    """A TOML document: plain values first, then tables and lists of tables, one level deep."""
    head: list[str] = []
    tables: list[str] = []
    for key, value in values.items():
        if isinstance(value, dict):
            if value:
                tables += ["", f"[{_key(key)}]", *_pairs(value)]
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for one in value:
                tables += ["", f"[[{_key(key)}]]", *_pairs(one)]
        elif value != [] or key == "languages":
            head += _pairs({key: value})
    return "\n".join([*head, *tables]) + "\n"


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_toml(value)}" for key, value in values.items()]


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _toml(key)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(_pairs(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    # A JSON text is a TOML text but for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


type Format = Callable[[CodingTask], dict[str, str]]

FORMATS: dict[str, tuple[Format, Callable[[Path], object]]] = {
    "neurogame": (native_files, parse),
    "kattis": (kattis_writing.files, lambda folder: kattis.parse(folder, Defaults())),
}


def export(tasks: Iterable[CodingTask], destination: Path, name: str) -> list[tuple[str, str]]:
    """Write each task as a package of the format `name`: a folder in `destination`, or one in the
    archive that `destination` names by ending with `.zip`.

    Every package is read back before it counts. Returns slug and reason of what could not be
    written, of which nothing is left. Raises `ExportError` when something is in the way.
    """
    archived = destination.suffix.lower() == ".zip"
    if archived and destination.exists():
        raise ExportError(_("%(path)s is there already") % {"path": destination})
    failed: list[tuple[str, str]] = []
    target = destination.parent if archived else destination
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".export-") as workspace:
        written: list[Path] = []
        for task in tasks:
            folder = Path(workspace) / task.slug
            try:
                if not archived and (target / task.slug).exists():
                    raise ExportError(_("%(path)s is there already") % {"path": target / task.slug})
                _write(task, folder, name)
                written.append(folder)
            except ExportError as error:
                failed.append((task.slug, str(error)))
        if archived:
            _zip(written, Path(workspace) / "archive")
            (Path(workspace) / "archive").rename(destination)
        else:
            for folder in written:
                folder.rename(target / folder.name)
    return failed


def _write(task: CodingTask, folder: Path, name: str) -> None:
    files, read = FORMATS[name]
    try:
        for path, content in files(task).items():
            target = folder / path
            if not target.resolve().is_relative_to(folder.resolve()):
                raise ExportError(_("a file's name leads out: %(path)s") % {"path": path})
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8", newline="\n")
        read(folder)
    except PackageError as error:
        raise ExportError(f"{error.path.relative_to(folder)}: {error.reason}")
    except (OSError, KeyError, ValueError) as error:
        raise ExportError(f"{type(error).__name__}: {error}")


def _zip(folders: Iterable[Path], archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for folder in folders:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                member = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix(), _DATE)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = 0o644 << 16
                opened.writestr(member, path.read_bytes())
