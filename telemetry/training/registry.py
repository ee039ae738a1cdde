"""Registered model versions: written once, the same again is no change, other content is an error."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from telemetry.models import ModelVersion


class RegistryError(Exception):
    """The name is taken by a model with other content; the message says what to do."""


def register(
    *,
    name: str,
    kind: str,
    metrics: dict[str, Any],
    params: dict[str, Any],
    manifest: dict[str, Any],
    artefact: str,
) -> tuple[ModelVersion, bool]:
    """The row of a trained model, and whether it was written now.

    A version that was only seen in events is filled in. Raises ``RegistryError`` where ``name``
    already means something else: registered metrics and parameters never change.
    """
    content = {"kind": kind, "metrics": metrics, "params": params, "manifest": manifest}
    fields = {**content, "artefact": artefact, "status": ModelVersion.Status.REGISTERED}
    try:
        with transaction.atomic():
            return ModelVersion.objects.create(name=name, **fields), True
    except IntegrityError:
        pass
    unregistered = ModelVersion.objects.filter(
        name=name, status=ModelVersion.Status.UNREGISTERED, kind=""
    )
    filled = bool(unregistered.update(**fields))
    version = ModelVersion.objects.get(name=name)
    if {field: getattr(version, field) for field in content} != content:
        raise RegistryError(
            _(
                "A model version named %(name)s is registered with other content. "
                "Choose another name: registered versions never change."
            )
            % {"name": name}
        )
    return version, filled
