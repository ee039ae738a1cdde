from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LeaderboardConfig(AppConfig):
    name = "leaderboard"
    verbose_name = _("Leaderboard")

    def ready(self) -> None:
        from leaderboard.live import live
        from leaderboard.standings import on_events_stored
        from neurogame import lifecycle
        from telemetry.signals import events_stored

        events_stored.connect(on_events_stored, dispatch_uid="leaderboard.fold")
        lifecycle.on_start(live.start)
        lifecycle.on_stop(live.stop)
