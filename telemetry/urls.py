"""Routes of the telemetry room."""

from __future__ import annotations

from django.urls import path

from neurogame import direct
from telemetry import (
    anticheat_api,
    api,
    export_api,
    export_schema,  # noqa: F401 - describes plain views, as does the schema
    models_api,
)

urlpatterns = [
    path("v1/events", api.events, name="events"),
    path("v1/export/raw", export_api.export_raw, name="export-raw"),
    path("v1/models/current", models_api.current_model, name="current-model"),
    path("telemetry/anticheat", anticheat_api.AnticheatView.as_view(), name="anticheat"),
]

direct.register_post("/v1/events", api.post_events)
