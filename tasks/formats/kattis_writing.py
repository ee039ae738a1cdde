"""Tasks of ours as legacy Kattis packages, where that format can say the same."""

from __future__ import annotations

from typing import Any

import yaml
from django.utils.translation import gettext as _

from tasks.enums import Kind, ProgramRole
from tasks.models import CodingTask
from tasks.spec import VALIDATOR

FOLDERS = {
    "AC": "accepted",
    "WA": "wrong_answer",
    "TLE": "time_limit_exceeded",
    "RTE": "run_time_error",
}
_CODES = {"python": "python3"}
_TOLERANCE = 1e-6


class ExportError(Exception):
    """Why a task cannot be written in a format."""


def files(task: CodingTask) -> dict[str, str]:
    """The files of a package. Raises `ExportError` for a task that the format cannot express."""
    if task.kind != Kind.STDIO:
        raise ExportError(_("only tasks that read and print have a place in that format"))
    texts = {text.locale: text for text in task.translations.all()}
    flags = _flags(task)
    main = texts.get("en") or next(iter(texts.values()))
    manifest: dict[str, Any] = {
        "name": main.title,
        "type": "scoring" if task.groups else "pass-fail",
        "validation": "custom" if task.checker == VALIDATOR else "default",
        "languages": [_CODES.get(language, language) for language in task.languages],
        "limits": {"time_limit": task.cpu_s, "memory": task.memory_mb},
    }
    if task.credits:
        manifest["source"] = task.credits
    if flags:
        manifest["validator_flags"] = flags
    found = {"problem.yaml": yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False)}
    for locale, text in texts.items():
        found[f"problem_statement/problem.{locale}.md"] = text.statement
    found |= _data(task)
    for program in task.programs.all():
        if program.role == ProgramRole.VALIDATOR:
            found[f"output_validators/{program.name}"] = program.source
        elif program.expected in FOLDERS:
            name = program.name.rsplit("/", 1)[-1]
            found[f"submissions/{FOLDERS[program.expected]}/{name}"] = program.source
    return found


def _flags(task: CodingTask) -> str:
    """The flags by which the format's own validator, or the task's, judges as our checker does."""
    if task.checker == VALIDATOR:
        arguments = task.programs.get(role=ProgramRole.VALIDATOR).arguments
        if any(len(argument.split()) != 1 for argument in arguments):
            raise ExportError(_("the validator's arguments are no plain words"))
        return " ".join(arguments)
    options = task.checker_options
    flags = [] if options.get("ignore_case") else ["case_sensitive"]
    if task.checker == "floats":
        both = options.get("tolerance", _TOLERANCE)
        for flag, key in (("absolute", "abs_tol"), ("relative", "rel_tol")):
            flags += [f"float_{flag}_tolerance", repr(float(options.get(key, both)))]
        if options.get("keep_spaces"):
            flags.append("space_change_sensitive")
    elif task.checker == "exact":
        flags.append("space_change_sensitive")
    elif task.checker != "tokens":
        raise ExportError(
            _("the checker %(name)s has no counterpart in that format") % {"name": task.checker}
        )
    return " ".join(flags)


def _data(task: CodingTask) -> dict[str, str]:
    """Tests, numbered so that their order stays, in folders for groups."""
    groups = {group["name"]: group for group in task.groups}
    if any(group["requires"] or group["pretest"] for group in groups.values()):
        raise ExportError(_("groups that depend on others have no counterpart in that format"))
    found: dict[str, str] = {}
    for number, test in enumerate(task.tests.all(), start=1):
        if "\r" in test.stdin + test.expected:
            raise ExportError(_("files of that format have plain line ends"))
        group = groups.get(test.group)
        if group and test.visible != (group["points"] == 0):
            raise ExportError(_("in that format visible tests give no points, and hidden ones do"))
        folder = "data/sample" if test.visible else "data/secret"
        if group and not test.visible:
            folder += f"/{test.group}"
            found[f"{folder}/testdata.yaml"] = (
                f"grader_flags: min\naccept_score: {group['points']}\nrange: 0 {group['points']}\n"
            )
        found[f"{folder}/{number:03}-{test.name}.in"] = test.stdin
        found[f"{folder}/{number:03}-{test.name}.ans"] = test.expected
    return found
