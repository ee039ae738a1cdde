"""Registered model versions: written once, the same again is no change, other content is an error."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from telemetry.models import GateResult, ModelVersion

# Where artefacts lie is no content: the same model may be made again elsewhere.
_COMPARED = tuple(name for name in ModelVersion.CONTENT if name not in ("name", "artefact"))


class RegistryError(Exception):
    """The name is taken by a model with other content; the message says what to do."""


def register(*, name: str, **content: Any) -> tuple[ModelVersion, bool]:
    """The row of a trained model, and whether it was written now.

    ``content``: the fields of ``ModelVersion.CONTENT`` beside the name. A version that was only
    seen in events is filled in. Raises ``RegistryError`` where ``name`` already means something
    else: registered content never changes.
    """
    fields = {**content, "status": ModelVersion.Status.REGISTERED}
    try:
        with transaction.atomic():
            return ModelVersion.objects.create(name=name, **fields), True
    except IntegrityError:
        pass
    filled = bool(ModelVersion.objects.filter(name=name, kind="").update(**fields))
    version = ModelVersion.objects.get(name=name)
    if any(getattr(version, field) != content[field] for field in _COMPARED if field in content):
        raise RegistryError(
            _(
                "A model version named %(name)s is registered with other content. "
                "Choose another name: registered versions never change."
            )
            % {"name": name}
        )
    return version, filled


def champion() -> ModelVersion | None:
    """The version that the game is to play with; None when none was ever made the champion."""
    return ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).first()


def opponent() -> ModelVersion | None:
    """Whom a new model has to beat: the champion; None when that predicts nothing."""
    current = champion()
    return None if current is None or current.kind == ModelVersion.BASELINE else current


def record(version: ModelVersion, against: ModelVersion | None, report: dict[str, Any]) -> None:
    """Keep what the gate said. The first verdict of a version against a champion stands."""
    GateResult.objects.get_or_create(
        version=version,
        champion=against,
        defaults={"passed": report["passed"], "report": report},
    )


def verdict(version: ModelVersion, against: ModelVersion | None) -> GateResult | None:
    """What the gate said of ``version`` against ``against``; None when it was not asked."""
    return GateResult.objects.filter(version=version, champion=against).first()
