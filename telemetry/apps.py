from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TelemetryConfig(AppConfig):
    name = "telemetry"
    verbose_name = _("Telemetry")

    def ready(self) -> None:
        from neurogame import lifecycle
        from telemetry.ingest import writer

        lifecycle.on_stop(writer.close)
