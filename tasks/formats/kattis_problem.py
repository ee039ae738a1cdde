"""A Kattis package on its way to ours: its folder, `problem.yaml`, and its other YAML files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import gettext as _

from tasks.manifest import PackageError, read_text

MANIFEST = "problem.yaml"
LEGACY = ("legacy", "legacy-icpc")
NEWER = ("2023-07-draft", "2023-07", "2025-09", "draft")
MAX_YAML = 64 * 1024

# What is read of a package, by folder.
_READ = (
    "data", "statement", "problem_statement", "submissions", "output_validator",
    "output_validators", "problem.yaml", ".timelimit", "domjudge-problem.ini",
)  # fmt: skip
_CONSTANT = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}")


@dataclass(frozen=True, slots=True)
class Problem:
    """A package on its way: its folder, `problem.yaml`, and what was left out so far."""

    folder: Path
    meta: Mapping[str, Any]
    legacy: bool
    scoring: bool
    notes: list[str]

    def refuse(self, reason: str, name: str = MANIFEST) -> PackageError:
        return PackageError(self.folder / name, reason)

    def fill(self, text: str) -> str:
        """`text` with the constants of `problem.yaml` in the place of their names."""
        constants = self.meta.get("constants")
        if not isinstance(constants, Mapping):
            return text
        return _CONSTANT.sub(lambda match: str(constants.get(match[1], match[0])), text)


def open_problem(folder: Path) -> Problem:
    """Read `problem.yaml`. Raises `PackageError`, also for kinds of problems not judged here."""
    for path in (path for part in _READ for path in (folder / part, *folder.glob(f"{part}/**/*"))):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise PackageError(path, _("is a link out of the package"))
    meta = read_yaml(folder / MANIFEST)
    version = str(meta.get("problem_format_version", LEGACY[0]))
    if version not in (*LEGACY, *NEWER):
        raise PackageError(
            folder / MANIFEST,
            _("problem_format_version: %(version)s is not known") % {"version": version},
        )
    kinds = meta.get("type") or "pass-fail"
    kinds = kinds.split() if isinstance(kinds, str) else kinds
    if not isinstance(kinds, list) or not set(map(str, kinds)) <= {"pass-fail", "scoring"}:
        raise PackageError(
            folder / MANIFEST, _("type: %(kinds)s problems are not judged here") % {"kinds": kinds}
        )
    problem = Problem(folder, meta, version in LEGACY, "scoring" in kinds, [])
    if (folder / "include").is_dir() and any((folder / "include").iterdir()):
        raise problem.refuse(_("code that is added to submissions is not supported"), "include")
    return problem


class _Loader(yaml.SafeLoader):
    """Plain YAML without aliases: a few of them, nested, stand for more than a machine holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty one. Raises `PackageError`."""
    try:
        value = yaml.load(read_text(path, limit=MAX_YAML), Loader=_Loader)  # noqa: S506
        if "\\u0000" in (text := json.dumps(value, default=str, ensure_ascii=False)):
            raise ValueError("a NUL character")
        text.encode()  # a lone surrogate is a ValueError
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise PackageError(
            path, _("is not YAML: %(error)s") % {"error": " ".join(str(error).split())}
        )
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise PackageError(path, _("must be a map of names"))
    return value
