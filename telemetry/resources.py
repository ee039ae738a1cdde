"""What the exports of signals, quarantine and conflicts hold; events are streamed by `export`."""

from __future__ import annotations

import json
from typing import Any

from import_export import fields, resources

from telemetry.models import AntiCheatSignal, EventConflict, QuarantinedEvent


class SignalResource(resources.ModelResource):
    session = fields.Field(column_name="session_id", attribute="session_id")
    candidate = fields.Field(column_name="candidate")
    chars = fields.Field(column_name="chars")
    source = fields.Field(column_name="source")
    payload = fields.Field(column_name="payload")

    class Meta:
        model = AntiCheatSignal
        name = "Signals"
        fields = (
            "event_id", "session", "candidate", "type", "known", "ts", "received_at", "task_id",
            "seq", "chars", "source", "payload",
        )  # fmt: skip
        export_order = fields

    def get_queryset(self) -> Any:
        return super().get_queryset().select_related("session__candidate")

    def dehydrate_candidate(self, row: AntiCheatSignal) -> str:
        return str(row.session.candidate)

    def dehydrate_session(self, row: AntiCheatSignal) -> str:
        return str(row.session_id)

    def dehydrate_chars(self, row: AntiCheatSignal) -> Any:
        return _said(row).get("chars", "")

    def dehydrate_source(self, row: AntiCheatSignal) -> Any:
        return _said(row).get("source", "")

    def dehydrate_payload(self, row: AntiCheatSignal) -> str:
        return json.dumps(row.payload, ensure_ascii=False)


def _said(row: AntiCheatSignal) -> dict[str, Any]:
    return row.payload if isinstance(row.payload, dict) else {}


class QuarantineResource(resources.ModelResource):
    key = fields.Field(column_name="key")

    class Meta:
        model = QuarantinedEvent
        name = "Quarantine"
        fields = (
            "id", "received_at", "source", "index", "reason", "detail", "raw", "client_version",
            "key", "resolved_at",
        )  # fmt: skip
        export_order = fields

    def get_queryset(self) -> Any:
        return super().get_queryset().select_related("api_key")

    def dehydrate_key(self, row: QuarantinedEvent) -> str:
        return row.api_key.name if row.api_key else ""


class ConflictResource(resources.ModelResource):
    seq = fields.Field(column_name="seq", attribute="event__seq")
    event_id = fields.Field(column_name="event_id", attribute="event__event_id")
    event_type = fields.Field(column_name="event_type", attribute="event__event_type")
    user_id = fields.Field(column_name="user_id", attribute="event__user_id")
    kept = fields.Field(column_name="kept", attribute="event__raw")
    later = fields.Field(column_name="later", attribute="raw")

    class Meta:
        model = EventConflict
        name = "Conflicts"
        fields = (
            "id", "seq", "event_id", "event_type", "user_id", "received_at", "client_version",
            "kept", "later",
        )  # fmt: skip
        export_order = fields

    def get_queryset(self) -> Any:
        return super().get_queryset().select_related("event")
