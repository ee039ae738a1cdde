"""Who is champion: one at a time, changed in one step, each change with a reason in the log."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from neurogame import audit
from telemetry.models import ModelVersion
from telemetry.signals import champion_changed
from telemetry.training import registry

Status = ModelVersion.Status


class ChampionError(Exception):
    """The change is not possible; the message is a sentence for the person who asked."""


def obstacle(version: ModelVersion) -> str:
    """Why ``version`` can be nobody's champion, whoever asks; empty when it can."""
    if version.status == Status.CHAMPION:
        return _("It is the champion already.")
    if version.status == Status.UNREGISTERED or not version.kind:
        return _("A version that was only seen in events has nothing to play with.")
    return ""


def was_champion(version: ModelVersion) -> bool:
    """Whether a return to ``version`` is a rollback, which needs no gate.

    What was the champion once had passed, or was let past it. The game's own baseline always was.
    """
    return version.promoted_at is not None or version.kind == ModelVersion.BASELINE


def has_passed(version: ModelVersion) -> bool:
    """Whether the gate let ``version`` pass against today's champion."""
    found = registry.verdict(version, registry.opponent())
    return found is not None and found.passed


def make_champion(
    request: HttpRequest, version: ModelVersion, *, reason: str, override: bool = False
) -> None:
    """Let the game play with ``version`` from now on; the champion before is archived.

    What has neither passed the gate against today's champion nor been the champion before needs
    ``override``, the permission ``telemetry.override_gate`` and a reason. Raises ``ChampionError``;
    then nothing has changed. What was done stands in the log of the admin.
    """
    try:
        with transaction.atomic():
            versions = ModelVersion.objects
            before = versions.select_for_update().filter(status=Status.CHAMPION).first()
            version = versions.select_for_update().get(pk=version.pk)
            problem = obstacle(version)
            if problem:
                raise ChampionError(problem)
            how = "Rolled back to it" if was_champion(version) else "Made the champion"
            if not was_champion(version) and not has_passed(version):
                if not override:
                    raise ChampionError(
                        _("It has not passed the gate against today's champion. Train again first.")
                    )
                if not request.user.has_perm("telemetry.override_gate"):
                    raise ChampionError(_("You may not pass over the gate."))
                if not reason.strip():
                    raise ChampionError(_("Passing over the gate needs a reason."))
                how = "Made the champion past the gate"
            now = timezone.now()
            if before is not None:
                versions.filter(pk=before.pk, status=Status.CHAMPION).update(status=Status.ARCHIVED)
                audit.note(request, before, f"Replaced as the champion by {version.name}.")
            moved = versions.filter(pk=version.pk, status=version.status).update(
                status=Status.CHAMPION, promoted_at=now
            )
            if not moved:
                raise ChampionError(_("Somebody else changed it meanwhile. Look again."))
            audit.note(request, version, f"{how}. {reason.strip()}".strip()[:1000])
    except IntegrityError as error:
        raise ChampionError(_("Somebody else changed it meanwhile. Look again.")) from error
    champion_changed.send(sender=ModelVersion)
