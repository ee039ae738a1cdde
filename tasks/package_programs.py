"""The programs of a package: submissions with the verdicts they must get, starter code, a validator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from tasks.enums import Kind, Verdict
from tasks.manifest import PackageError, Table, read_text
from tasks.spec import VALIDATOR, Validator

MAX_NAME = 100
SUFFIXES = {
    "python": ".py",
    "javascript": ".js",
    "typescript": ".ts",
    "c": ".c",
    "cpp": ".cpp",
    "java": ".java",
    "go": ".go",
    "rust": ".rs",
    "sql": ".sql",
}
LANGUAGES = {
    Kind.STDIO: tuple(name for name in SUFFIXES if name != "sql"),
    Kind.FUNCTION: ("python", "javascript", "typescript"),
    Kind.SQL: ("sql",),
}
# A task of our own proves itself in those of its languages that are among these.
PROVEN = ("python", "javascript", "sql")


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


def read_starter(folder: Path, languages: tuple[str, ...], *, own: bool) -> dict[str, str]:
    paths = {language: folder / f"{language}{SUFFIXES[language]}" for language in languages}
    needed = PROVEN if own else ()
    return {
        name: read_text(path) for name, path in paths.items() if name in needed or path.exists()
    }


def read_submissions(
    folder: Path, languages: tuple[str, ...], *, own: bool
) -> tuple[Submission, ...]:
    """Every program of the package; of our own `AC` has a right one in each language of `PROVEN`, and
    `WA` is not empty."""
    if not folder.is_dir():
        if not own:
            return ()
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
            if len(path.name) > MAX_NAME:
                raise PackageError(
                    path, _("is longer than %(limit)d characters") % {"limit": MAX_NAME}
                )
            source = read_text(path, filled=True)
            found.append(Submission(Verdict(group.name), language, path, source))
    proven = [language for language in languages if language in PROVEN] or languages[:1]
    for language in proven if own else ():
        if not any(s.expected == Verdict.AC and s.language == language for s in found):
            raise PackageError(
                folder / "AC",
                _("needs a right solution in %(language)s") % {"language": language},
            )
    if own and not any(s.expected == Verdict.WA for s in found):
        raise PackageError(folder / "WA", _("needs at least one wrong solution"))
    return tuple(found)


def read_validator(manifest: Table, folder: Path, kind: str, checker: str) -> Validator | None:
    table = manifest.table("validator", default={})
    if checker != VALIDATOR:
        table.close()
        return None
    if kind != Kind.STDIO:
        manifest.refuse_key("checker", _("a validator judges what programs print, not values"))
    found = {
        language: path
        for language, suffix in SUFFIXES.items()
        if (path := folder / f"{VALIDATOR}{suffix}").is_file()
    }
    if len(found) != 1:
        raise PackageError(folder / f"{VALIDATOR}.py", _("there must be exactly one validator"))
    arguments = table.take("arguments", [])
    table.close()
    if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
        manifest.refuse_key("validator.arguments", _("must be a list of texts"))
    ((language, path),) = found.items()
    return Validator(language, read_text(path, filled=True), tuple(arguments))
