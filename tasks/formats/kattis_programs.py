"""The programs of a Kattis package: output validators, and submissions with what they must get."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from tasks.enums import Verdict
from tasks.formats.kattis_problem import Problem, read_yaml
from tasks.manifest import PackageError, read_text
from tasks.package_programs import MAX_NAME, SUFFIXES, Submission
from tasks.spec import Validator

MAX_SOURCE = 1024 * 1024
MAX_SUBMISSIONS = 100

# By their codes in problem.yaml, and by the suffixes of files.
_CODES = {
    "python3": "python", "python": "python", "javascript": "javascript", "typescript": "typescript",
    "c": "c", "cpp": "cpp", "java": "java", "go": "go", "rust": "rust",
}  # fmt: skip
_BY_SUFFIX = {
    ".py": "python", ".py3": "python", ".js": "javascript", ".ts": "typescript", ".c": "c",
    ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".c++": "cpp", ".java": "java", ".go": "go",
    ".rs": "rust",
}  # fmt: skip
_HEADERS = (".h", ".hpp", ".hh")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"/]+)"[ \t]*$', re.MULTILINE)

# Verdicts that every test may have, and that one must have, by the folder of a submission.
_ALL = frozenset({Verdict.AC, Verdict.WA, Verdict.TLE, Verdict.RTE})
_AC, _WA, _TLE, _RTE = (frozenset({Verdict(name)}) for name in ("AC", "WA", "TLE", "RTE"))
_FOLDERS = {
    "accepted": (_AC, _AC),
    "wrong_answer": (_AC | _WA, _WA),
    "time_limit_exceeded": (_ALL, _TLE),
    "run_time_error": (_AC | _WA | _RTE, _RTE),
    "rejected": (_ALL, _WA | _TLE | _RTE),
    "brute_force": (_AC | _TLE | _RTE, _TLE | _RTE),
}


def languages(problem: Problem) -> tuple[str, ...]:
    """The languages of ours that the problem may be solved in."""
    given = problem.meta.get("languages") or "all"
    codes = given.split() if isinstance(given, str) else given
    if not isinstance(codes, list):
        raise problem.refuse(_("languages: must be a list of texts"))
    wanted = set(_CODES.values()) if codes == ["all"] else {_CODES.get(str(code)) for code in codes}
    found = tuple(name for name in SUFFIXES if name in wanted)
    if not found:
        raise problem.refuse(_("languages: none of them is offered here"))
    return found


def read_checking(
    problem: Problem, flags: tuple[str, ...]
) -> tuple[str, dict[str, Any], Validator | None]:
    """A checker with its options, or the package's own validator. Raises `PackageError`."""
    how = str(problem.meta.get("validation") or "default").split()
    if not how or how[0] not in ("default", "custom"):
        raise problem.refuse(_("validation: must be default or custom"))
    if "interactive" in how:
        raise problem.refuse(_("interactive problems are not judged here"))
    if len(how) > 1:
        raise problem.refuse(
            _("validation: %(words)s is not supported") % {"words": " ".join(how[1:])}
        )
    folders = [problem.folder / name for name in ("output_validators", "output_validator")]
    present = [folder for folder in folders if any(_files(folder))]
    custom = how == ["custom"] if problem.legacy else bool(present)
    if not custom:
        return *_default_validator(problem, flags), None
    if len(present) != 1:
        raise problem.refuse(_("there must be exactly one validator"), folders[0].name)
    language, source = _validator(present[0])
    return "", {}, Validator(language, problem.fill(source), flags)


def _default_validator(problem: Problem, flags: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """The checker that does what the format's own validator does with `flags`."""
    words = list(flags)
    tolerances: dict[str, float] = {}
    known: set[str] = set()
    while words:
        word = words.pop(0)
        if word in ("case_sensitive", "space_change_sensitive"):
            known.add(word)
            continue
        keys = {
            "float_tolerance": ("abs_tol", "rel_tol"),
            "float_absolute_tolerance": ("abs_tol",),
            "float_relative_tolerance": ("rel_tol",),
        }.get(word)
        try:
            value = float(words.pop(0)) if keys else -1.0
        except (IndexError, ValueError):
            value = -1.0
        if not keys or not 0 <= value < 1e9:
            raise problem.refuse(_("validator_flags: %(word)s is not known") % {"word": word})
        tolerances |= dict.fromkeys(keys, value)
    options: dict[str, Any] = {} if "case_sensitive" in known else {"ignore_case": True}
    spaces = "space_change_sensitive" in known
    if tolerances:
        options |= {"abs_tol": 0.0, "rel_tol": 0.0} | tolerances
        return "floats", options | ({"keep_spaces": True} if spaces else {})
    return "exact" if spaces else "tokens", options


def _files(folder: Path) -> Iterator[Path]:
    """What is in a folder, without what editors and interpreters leave behind."""
    if folder.is_dir():
        yield from (
            path
            for path in sorted(folder.iterdir())
            if not path.name.startswith((".", "__")) and path.suffix.lower() not in (".md", ".txt")
        )


def _validator(folder: Path) -> tuple[str, str]:
    """Language and source of the one program in a folder, or in the one folder there."""
    files = list(_files(folder))
    if len(files) == 1 and files[0].is_dir():
        files = list(_files(files[0]))
    sources = [path for path in files if path.suffix.lower() not in _HEADERS]
    if len(sources) != 1 or sources[0].is_dir():
        raise PackageError(folder, _("must hold one program of one file, and headers at most"))
    path = sources[0]
    language = _BY_SUFFIX.get(path.suffix.lower())
    if language not in SUFFIXES:
        raise PackageError(path, _("is in no language that validators may have here"))
    headers = {
        one.name: read_text(one, limit=MAX_SOURCE)
        for one in files
        if one.suffix.lower() in _HEADERS
    }
    return str(language), _with_headers(read_text(path, filled=True, limit=MAX_SOURCE), headers)


def _with_headers(source: str, headers: dict[str, str]) -> str:
    """`source` with each of the package's headers in the place where it is first included."""
    left = dict(headers)

    def include(match: re.Match[str]) -> str:
        if match[1] not in headers:
            return match[0]
        return _INCLUDE.sub(include, left.pop(match[1], ""))

    return _INCLUDE.sub(include, source)


def read_submissions(problem: Problem, offered: tuple[str, ...]) -> tuple[Submission, ...]:
    """The example submissions for which one verdict of ours is certain; the others are noted."""
    folder = problem.folder / "submissions"
    rules = _rules(folder / "submissions.yaml")
    found: dict[str, Submission] = {}
    for path in sorted(folder.glob("*/*")):
        if path.name.startswith((".", "__")):
            continue
        name = path.relative_to(folder).as_posix()
        if len(found) >= MAX_SUBMISSIONS:
            problem.notes.append(_("submissions/%(name)s: too many submissions") % {"name": name})
            break
        program = _program(path)
        language = _BY_SUFFIX.get(program.suffix.lower()) if program else None
        if program is None or language not in offered:
            reason = _("submissions/%(name)s: is in no language of this task, or of many files")
            problem.notes.append(reason % {"name": name})
            continue
        verdict = _verdict(name, rules)
        if verdict is None:
            reason = _("submissions/%(name)s: may get different verdicts")
            problem.notes.append(reason % {"name": name})
            continue
        source = problem.fill(read_text(program, limit=MAX_SOURCE))
        if language == "java":
            source = _as_main(source, program.stem)
        elif language == "python" and not _is_python_3(source):
            reason = _("submissions/%(name)s: is no Python 3")
            problem.notes.append(reason % {"name": name})
            continue
        submission = Submission(verdict, str(language), program, source)
        if submission.name in found or len(program.name) > MAX_NAME:
            reason = _("submissions/%(name)s: its name is too long, or another one has it")
            problem.notes.append(reason % {"name": name})
            continue
        found[submission.name] = submission
    return tuple(found.values())


def _as_main(source: str, name: str) -> str:
    """A Java program whose class has the file's name, under the name that our sandbox calls."""
    if not re.search(rf"\bclass\s+{re.escape(name)}\b", source):
        return source
    return re.sub(rf"\b{re.escape(name)}\b", "Main", source)


def _is_python_3(source: str) -> bool:
    try:
        return bool(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _program(path: Path) -> Path | None:
    """A submission's one file; None for a folder with several."""
    if not path.is_dir():
        return path
    files = list(_files(path))
    return files[0] if len(files) == 1 and not files[0].is_dir() else None


def _rules(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    if not path.is_file():
        return []
    return [
        (pattern, rule) for pattern, rule in read_yaml(path).items() if isinstance(rule, Mapping)
    ]


def _verdict(name: str, rules: list[tuple[str, Mapping[str, Any]]]) -> Verdict | None:
    """The verdict that a submission as a whole must get; None when several are allowed.

    `permitted` holds for every test, `required` for one at least, and our verdict is the strongest
    of all tests.
    """
    permitted, required = _FOLDERS.get(name.split("/", 1)[0], (_ALL, _ALL))
    for pattern, rule in rules:
        if _matches(name, pattern):
            permitted &= _verdicts(rule.get("permitted"))
            required &= _verdicts(rule.get("required"))
    required &= permitted
    order = [verdict for verdict in Verdict if verdict in permitted]
    if len(order) == 1:
        return order[0]
    return order[0] if order and required == {order[0]} else None


def _verdicts(given: Any) -> frozenset[Verdict]:
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, list):
        return _ALL
    return frozenset(Verdict(word) for word in words if word in Verdict.values)


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern of `submissions.yaml` means a submission or its folder."""
    parts = name.split("/")
    for one in _braces(pattern):
        wanted = one.strip("/").split("/")
        if len(wanted) <= len(parts) and all(
            fnmatch.fnmatchcase(part, want.replace("[", "[[]"))
            for part, want in zip(parts, wanted, strict=False)
        ):
            return True
    return False


def _braces(pattern: str) -> Iterator[str]:
    """`{a,b}.py` as `a.py` and `b.py`; one pair of braces, as the format's examples have."""
    if match := re.fullmatch(r"([^{}]*)\{([^{}]*)\}([^{}]*)", pattern):
        yield from (f"{match[1]}{middle}{match[3]}" for middle in match[2].split(","))
    else:
        yield pattern
