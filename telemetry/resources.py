"""What an export of signals holds; events are streamed by `telemetry.export`."""

from __future__ import annotations

import json
from typing import Any

from import_export import fields, resources

from telemetry.models import AntiCheatSignal


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
