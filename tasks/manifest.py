"""Reading the files of a package: bytes, text, and TOML tables whose every key is checked."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from django.utils.translation import gettext as _

MAX_FILE_BYTES = 4 * 1024 * 1024

_REQUIRED: Any = object()


class PackageError(Exception):
    """A package that cannot be used: `path` is the file or folder at fault, `reason` one sentence."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Table:
    """One TOML table: keys are taken out with their checks, and what is left at the end is refused."""

    def __init__(self, path: Path, values: Mapping[str, Any], name: str = "") -> None:
        self.path = path
        self.values = dict(values)
        self.name = name

    def refuse(self, reason: str) -> NoReturn:
        raise PackageError(self.path, reason)

    def refuse_key(self, key: str, reason: str) -> NoReturn:
        self.refuse(f"{self.name}{key}: {reason}")

    def take(self, key: str, default: Any = _REQUIRED) -> Any:
        value = self.values.pop(key, default)
        if value is _REQUIRED:
            self.refuse_key(key, _("is missing"))
        return value

    def text(
        self,
        key: str,
        *,
        pattern: re.Pattern[str] | None = None,
        max_length: int = 64,
        default: Any = _REQUIRED,
    ) -> str:
        if key not in self.values and default is not _REQUIRED:
            return default
        value = self.take(key)
        if not isinstance(value, str) or not value.strip():
            self.refuse_key(key, _("must be a text that is not empty"))
        if len(value) > max_length:
            self.refuse_key(key, _("is longer than %(limit)d characters") % {"limit": max_length})
        if pattern and not pattern.fullmatch(value):
            self.refuse_key(key, _("does not match %(pattern)s") % {"pattern": pattern.pattern})
        if "\0" in value:
            self.refuse_key(key, _("holds a NUL character"))
        return value.strip()

    def number(self, key: str, low: float, high: float, default: Any = _REQUIRED) -> float:
        value = self.take(key, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            self.refuse_key(key, _("must be a number"))
        if not low <= value <= high:
            self.refuse_key(key, _("must be from %(low)s to %(high)s") % {"low": low, "high": high})
        return float(value)

    def integer(self, key: str, low: int, high: int, default: Any = _REQUIRED) -> int:
        value = self.number(key, low, high, default)
        if not value.is_integer():
            self.refuse_key(key, _("must be a whole number"))
        return int(value)

    def choice(self, key: str, allowed: Iterable[str], default: Any = _REQUIRED) -> str:
        value = self.take(key, default)
        if value not in (allowed := tuple(allowed)):
            self.refuse_key(key, _("must be one of %(names)s") % {"names": ", ".join(allowed)})
        return value

    def flag(self, key: str) -> bool:
        value = self.take(key, False)
        if not isinstance(value, bool):
            self.refuse_key(key, _("must be true or false"))
        return value

    def choices(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        value = self.take(key)
        if not isinstance(value, list) or not value or any(item not in allowed for item in value):
            self.refuse_key(
                key, _("must be a list of some of %(names)s") % {"names": ", ".join(allowed)}
            )
        if len(set(value)) != len(value):
            self.refuse_key(key, _("names one of them twice"))
        return tuple(value)

    def table(self, key: str, default: Any = _REQUIRED) -> Table:
        value = self.take(key, default)
        if not isinstance(value, dict):
            self.refuse_key(key, _("must be a table"))
        return Table(self.path, value, f"{self.name}{key}.")

    def tables(self, key: str, default: Any = _REQUIRED) -> list[Table]:
        value = self.take(key, default)
        if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
            self.refuse_key(key, _("must be a list of tables"))
        return [Table(self.path, item, f"{key}[{index}].") for index, item in enumerate(value)]

    def rest(self) -> dict[str, Any]:
        values, self.values = self.values, {}
        return values

    def close(self) -> None:
        for key in self.values:
            self.refuse_key(key, _("is not a key of this format"))


def read_bytes(path: Path, *, limit: int = MAX_FILE_BYTES) -> bytes:
    try:
        if path.stat().st_size > limit:
            raise PackageError(path, _("is larger than %(limit)d bytes") % {"limit": limit})
        return path.read_bytes()
    except FileNotFoundError:
        raise PackageError(path, _("is missing"))
    except OSError as error:
        raise PackageError(path, _("cannot be read: %(error)s") % {"error": error.strerror})


def read_text(path: Path, *, filled: bool = False, limit: int = MAX_FILE_BYTES) -> str:
    try:
        text = read_bytes(path, limit=limit).decode("utf-8")
    except UnicodeDecodeError:
        raise PackageError(path, _("is not UTF-8"))
    if filled and not text.strip():
        raise PackageError(path, _("is empty"))
    if "\0" in text:
        raise PackageError(path, _("holds a NUL character"))
    return text.replace("\r\n", "\n")


def read_manifest(path: Path) -> Table:
    try:
        return Table(path, tomllib.loads(read_text(path)))
    except tomllib.TOMLDecodeError as error:
        raise PackageError(path, _("is not TOML: %(error)s") % {"error": error})
