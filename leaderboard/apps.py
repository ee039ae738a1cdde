from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LeaderboardConfig(AppConfig):
    name = "leaderboard"
    verbose_name = _("Leaderboard")

    def ready(self) -> None:
        from leaderboard.erasure import on_player_erased
        from leaderboard.live import live
        from leaderboard.standings import on_events_stored
        from neurogame import lifecycle
        from telemetry.signals import events_stored, player_erased

        events_stored.connect(on_events_stored, dispatch_uid="leaderboard.fold")
        player_erased.connect(on_player_erased, dispatch_uid="leaderboard.erase")
        lifecycle.on_start(live.start)
        lifecycle.on_stop(live.stop)
