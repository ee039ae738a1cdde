"""Kattis and ICPC problem packages, of the legacy format and of 2023-07 and 2025-09.

https://www.kattis.com/problem-package-format/. A package becomes a `Package` of ours or is refused
with the file at fault and a reason; what can be left out without changing what is judged is left
out and named in the package's notes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from tasks.enums import Kind, Origin
from tasks.formats import kattis_data, kattis_programs
from tasks.formats.kattis_problem import Problem, open_problem
from tasks.formats.latex import to_markdown
from tasks.manifest import PackageError, read_text
from tasks.package_tests import IMPORTED, check_counts, check_expected, check_groups
from tasks.packages import LOCALE, Defaults, Package, digest
from tasks.spec import VALIDATOR, Limits

MAX_STATEMENT = 256 * 1024
USUAL_TIME_S = 2.0
USUAL_MEMORY_MB = 512
TIME_S = (0.1, 10.0)
MEMORY_MB = (16, 1024)
OUTPUT_KB = (64, 1024)

_STATEMENT = re.compile(r"problem(?:\.([A-Za-z-]+))?\.(md|tex)")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")


def parse(folder: Path, defaults: Defaults) -> Package:
    """Read and check one package folder. Raises `PackageError`."""
    problem = open_problem(folder)
    slug = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:80]
    if not slug:
        raise PackageError(folder, _("the folder's name gives no slug"))
    titles, statements = _statements(problem)
    tests, groups, flags = kattis_data.read(problem)
    check_counts(folder / "data", tests, IMPORTED)
    check_groups(folder / "data", groups, tests)
    checker, options, validator = kattis_programs.read_checking(problem, flags)
    languages = kattis_programs.languages(problem)
    package = Package(
        folder=folder,
        slug=slug,
        track=defaults.track,
        kind=Kind.STDIO.value,
        entry="",
        difficulty=defaults.difficulty,
        discrimination=defaults.discrimination,
        time_limit_s=defaults.time_limit_s,
        languages=languages,
        checker=VALIDATOR if validator else checker,
        checker_options=options,
        limits=_limits(problem, max(len(str(test.expected).encode()) for test in tests)),
        titles=titles,
        statements=statements,
        hints=(),
        starter={},
        tests=tests,
        groups=groups,
        validator=validator,
        submissions=kattis_programs.read_submissions(problem, languages),
        origin=Origin.KATTIS,
        credits=_credits(problem.meta),
        checksum=hashlib.sha256(f"{digest(folder)}\0{defaults}".encode()).hexdigest(),
        notes=tuple(problem.notes),
    )
    check_expected(folder, package.spec)
    return package


def _statements(problem: Problem) -> tuple[dict[str, str], dict[str, str]]:
    """Titles and statements by locale; Markdown is preferred to LaTeX."""
    titles: dict[str, str] = {}
    statements: dict[str, str] = {}
    found = False
    paths = [
        path
        for name in ("statement", "problem_statement")
        for path in (problem.folder / name).glob("*")
    ]
    for path in sorted(paths, key=lambda path: (path.suffix, path)):
        if not (match := _STATEMENT.fullmatch(path.name)):
            continue
        found = True
        locale, kind = match[1] or "en", match[2]
        if not LOCALE.fullmatch(locale):
            problem.notes.append(_("%(file)s: its language is not known") % {"file": path.name})
            continue
        if locale in statements:  # the Markdown came first
            continue
        text = problem.fill(read_text(path, filled=True, limit=MAX_STATEMENT))
        title = _title(problem, locale)
        if kind == "tex":
            converted = to_markdown(text)
            text, title = converted.markdown, title or converted.title
            if converted.unknown:
                problem.notes.append(
                    _("%(file)s: not understood: %(names)s")
                    % {"file": path.name, "names": ", ".join(sorted(converted.unknown))}
                )
        elif images := _IMAGE.findall(text):
            problem.notes.append(
                _("%(file)s: %(count)d images are not shown")
                % {"file": path.name, "count": len(images)}
            )
            text = _IMAGE.sub("", text)
        if not text.strip():
            raise PackageError(path, _("is empty"))
        titles[locale] = (title or _title(problem, "en") or problem.folder.resolve().name)[:200]
        statements[locale] = text
    if not statements:
        reason = (
            _("has no statement in a known language")
            if found
            else _("has no statement in Markdown or LaTeX")
        )
        raise problem.refuse(reason, "problem_statement" if problem.legacy else "statement")
    return titles, statements


def _title(problem: Problem, locale: str) -> str:
    """The name in `problem.yaml`; one that is not by language is English, as far as anybody knows."""
    name = problem.meta.get("name")
    if isinstance(name, Mapping):
        return str(name.get(locale) or "").strip()
    return str(name or "").strip() if locale == "en" else ""


def _limits(problem: Problem, answer_bytes: int) -> Limits:
    limits = problem.meta.get("limits")
    limits = limits if isinstance(limits, Mapping) else {}
    time_s = _time_limit(problem, limits)
    if not TIME_S[0] <= time_s <= TIME_S[1]:
        raise problem.refuse(
            _("the time limit must be from %(low)s to %(high)s seconds, is %(given)s")
            % {"low": TIME_S[0], "high": TIME_S[1], "given": time_s}
        )
    memory = limits.get("memory", USUAL_MEMORY_MB)
    if isinstance(memory, bool) or not isinstance(memory, int | float) or not memory > 0:
        raise problem.refuse(_("limits.memory: must be a number"))
    if memory > MEMORY_MB[1]:
        problem.notes.append(
            _("memory is limited to %(limit)d MiB, not %(given)s")
            % {"limit": MEMORY_MB[1], "given": memory}
        )
    needed_kb = 2 * answer_bytes // 1024 + 16
    if answer_bytes >= OUTPUT_KB[1] * 1024:
        raise problem.refuse(
            _("an answer is longer than the %(limit)d KiB that a program may print")
            % {"limit": OUTPUT_KB[1]},
            "data",
        )
    return Limits(
        time_s=time_s,
        memory_mb=int(min(max(memory, MEMORY_MB[0]), MEMORY_MB[1])),
        output_kb=min(max(needed_kb, OUTPUT_KB[0]), OUTPUT_KB[1]),
    )


def _time_limit(problem: Problem, limits: Mapping[str, Any]) -> float:
    """Seconds, from where the judges of this format keep them: `limits.time_limit`, `.timelimit`,
    DOMjudge's file."""
    given: Any = limits.get("time_limit")
    if given is None and (path := problem.folder / ".timelimit").is_file():
        given = read_text(path).strip()
    if given is None and (path := problem.folder / "domjudge-problem.ini").is_file():
        match = re.search(r"^\s*timelimit\s*=\s*'?\"?([0-9.]+)", read_text(path), re.MULTILINE)
        given = match[1] if match else None
    if given is None:
        problem.notes.append(
            _("the package has no time limit: %(seconds)s s is assumed until it is measured")
            % {"seconds": USUAL_TIME_S}
        )
        return USUAL_TIME_S
    try:
        return float(given)
    except (TypeError, ValueError):
        raise problem.refuse(_("limits.time_limit: must be a number"))


def _credits(meta: Mapping[str, Any]) -> str:
    """Who made the problem and under which licence, as lines of text."""
    given = {
        "Author": meta.get("credits") or meta.get("author"),
        "Source": meta.get("source"),
        "Source address": meta.get("source_url"),
        "Licence": meta.get("license"),
        "Rights owner": meta.get("rights_owner"),
    }
    return "\n".join(f"{label}: {_line(value)}" for label, value in given.items() if value)[:2000]


def _line(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_line(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_line, value))
    return " ".join(str(value).split())
