"""Routes of the telemetry room."""

from __future__ import annotations

from django.urls import path

from telemetry import (
    anticheat_api,
    api,
    export_api,
    export_schema,  # noqa: F401 - describes plain views, as does the schema
)

urlpatterns = [
    path("v1/events", api.events, name="events"),
    path("v1/export/raw", export_api.export_raw, name="export-raw"),
    path("telemetry/anticheat", anticheat_api.AnticheatView.as_view(), name="anticheat"),
]
