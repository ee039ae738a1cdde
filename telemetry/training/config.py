"""Parameters of a run: from defaults, then a TOML file, then arguments."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from telemetry.training.models import KINDS

AUTO = "auto"


class TrainingError(Exception):
    """The run cannot be made; the message is a sentence for the person who asked."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything, beside the snapshot and the code, that a run's artefacts depend on."""

    model: str = AUTO
    seed: int = 0
    test_share: float = 0.25
    forward_share: float = 0.25
    elo_user_gain: tuple[float, float] = (1.0, 0.05)
    elo_item_gain: tuple[float, float] = (1.0, 0.05)
    item_mean_strength: float = 5.0
    logistic_c: tuple[float, ...] = (0.03, 0.3, 3.0)
    ece_bins: int = 10
    bootstrap: int = 1000
    min_users: int = 5
    min_trials: int = 100

    def __post_init__(self) -> None:
        for name in ("elo_user_gain", "elo_item_gain"):
            pair = self._numbers(name)
            if len(pair) != 2 or pair[0] <= 0 or pair[1] < 0:
                raise TrainingError(
                    _("%(name)s needs two numbers, the first above 0 and none below.")
                    % {"name": name}
                )
        strengths = self._numbers("logistic_c")
        if not strengths or min(strengths) <= 0:
            raise TrainingError(_("logistic_c needs numbers above 0."))
        object.__setattr__(self, "logistic_c", tuple(sorted(set(strengths))))
        names = (AUTO, *KINDS)
        if self.model not in names:
            raise TrainingError(_("model must be one of %(names)s.") % {"names": ", ".join(names)})
        for name in ("test_share", "forward_share"):
            if not 0 < getattr(self, name) < 1:
                raise TrainingError(_("%(name)s must lie between 0 and 1.") % {"name": name})
        if not 0 <= self.seed < 2**63:
            raise TrainingError(_("seed must lie between 0 and 2^63."))
        if not 0 < self.item_mean_strength < float("inf"):
            raise TrainingError(_("item_mean_strength must be above 0."))
        if not 1 <= self.ece_bins <= 100 or not 0 <= self.bootstrap <= 100_000:
            raise TrainingError(
                _("ece_bins lies between 1 and 100, bootstrap between 0 and 100000.")
            )
        if self.min_users < 1 or self.min_trials < 2:
            raise TrainingError(_("min_users must be at least 1 and min_trials at least 2."))

    def _numbers(self, name: str) -> tuple[float, ...]:
        numbers = tuple(float(value) for value in getattr(self, name))
        if any(not abs(number) < 1e9 for number in numbers):
            raise TrainingError(_("%(name)s needs finite numbers.") % {"name": name})
        object.__setattr__(self, name, numbers)
        return numbers

    def as_json(self) -> dict[str, Any]:
        """The parameters as a JSON object."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run as it was asked for: its parameters, where its events come from, and its name.

    The key of another server's export is no parameter: it never stands in a file.
    """

    config: RunConfig = field(default_factory=RunConfig)
    snapshot: Path | None = None
    url: str = ""
    as_of: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", self.name):
            raise TrainingError(
                _("A name has up to 128 letters, digits, dots, dashes and underscores.")
            )
        if self.as_of is not None and not 0 <= self.as_of < 2**63:
            raise TrainingError(_("as_of must lie between 0 and 2^63."))
        if self.snapshot is not None and self.url:
            raise TrainingError(_("Give a snapshot or a url, not both."))


_SOURCE = {"snapshot": "", "url": "", "as_of": 0, "name": ""}


def load(path: Path | None, **arguments: Any) -> Plan:
    """Defaults, then the TOML file, then the arguments that are not ``None``.

    A relative ``snapshot`` in the file is relative to the file. Raises ``TrainingError``.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(
                _("%(path)s cannot be read as TOML: %(error)s.") % {"path": path, "error": error}
            ) from error
    known = {one.name: one.default for one in fields(RunConfig)} | _SOURCE
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise TrainingError(
            _("%(path)s has unknown parameters: %(unknown)s. Known: %(known)s.")
            % {"path": path, "unknown": ", ".join(unknown), "known": ", ".join(known)}
        )
    if path is not None and isinstance(values.get("snapshot"), str):
        values["snapshot"] = str(path.parent / values["snapshot"])
    given = {name: value for name, value in arguments.items() if value is not None}
    if "snapshot" in given or "url" in given:  # another source than the file's, not two
        values = {name: value for name, value in values.items() if name not in ("snapshot", "url")}
    values |= given
    try:
        for name, value in values.items():
            values[name] = _typed(name, value, known[name])
        where = {name: values.pop(name) for name in _SOURCE if name in values}
        if where.get("snapshot"):
            where["snapshot"] = Path(where["snapshot"])
        else:
            where.pop("snapshot", None)
        return Plan(config=RunConfig(**values), **where)
    except (TypeError, ValueError, OverflowError) as error:
        raise TrainingError(
            _("A parameter has a wrong type: %(error)s.") % {"error": error}
        ) from error


def _typed(name: str, value: Any, default: Any) -> Any:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or any(
            type(one) not in (int, float) for one in value
        ):
            raise TypeError(f"{name} = {value!r}")
        return tuple(value)
    if type(value) is not type(default):
        raise TypeError(f"{name} = {value!r}")
    return value
