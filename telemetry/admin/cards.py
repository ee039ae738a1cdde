"""What the first page of the admin tells an analyst about the game's events."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from neurogame import dashboard
from neurogame.dashboard import Card, Section
from telemetry.models import EventConflict, GameEvent, ModelVersion, QuarantinedEvent


def _game(request: HttpRequest) -> list[Section]:
    can = request.user.has_perm
    if not can("telemetry.view_gameevent"):
        return []
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    events = reverse("admin:telemetry_gameevent_changelist")
    today = GameEvent.objects.filter(received_at__gte=midnight).count()
    day = f"{midnight:%Y-%m-%d}"
    cards = [
        Card(
            _("Events today"),
            today,
            _("Received since midnight UTC."),
            f"{events}?received_at_from={day}&received_at_to={day}",
        )
    ]
    if can("telemetry.view_quarantinedevent"):
        game = Q(source=QuarantinedEvent.Source.GAME)
        waiting = QuarantinedEvent.objects.filter(game, resolved_at=None).count()
        cards.append(
            Card(
                _("In quarantine"),
                waiting,
                _("Could not be stored; each says why."),
                reverse("admin:telemetry_quarantinedevent_changelist")
                + "?waiting=yes&source__exact=game",
                "warn" if waiting else "good",
            )
        )
    if can("telemetry.view_eventconflict"):
        conflicts = EventConflict.objects.count()
        cards.append(
            Card(
                _("Conflicts"),
                conflicts,
                _("One id, two contents; the first one counts."),
                reverse("admin:telemetry_eventconflict_changelist"),
                "warn" if conflicts else "good",
            )
        )
    if can("telemetry.view_modelversion"):
        status = ModelVersion.Status.UNREGISTERED
        unknown = ModelVersion.objects.filter(status=status).count()
        cards.append(
            Card(
                _("Unregistered models"),
                unknown,
                _("Seen in events, known to nobody here."),
                reverse("admin:telemetry_modelversion_changelist")
                + f"?status__exact={status.value}",
                "warn" if unknown else "good",
            )
        )
    return [Section(title=_("Game"), order=20, cards=cards)]


dashboard.register("game", _game)
