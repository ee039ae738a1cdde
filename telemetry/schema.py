"""Taking events, in the API's schema; the export is described by `export_schema`."""

from __future__ import annotations

from typing import Any

from neurogame.schema import answer, describe

TEXT = {"type": "string"}
TIME = {"type": "string", "format": "date-time"}
SECURITY: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearer": []}]

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event_id", "event_type", "event_ts", "user_id"],
    "properties": {
        "event_id": {**TEXT, "maxLength": 128},
        "event_type": {**TEXT, "maxLength": 64},
        "event_ts": TIME,
        "user_id": {**TEXT, "maxLength": 128},
        "session_id": {**TEXT, "maxLength": 128},
        "model_version": {**TEXT, "maxLength": 128},
        "payload": {"type": "object"},
    },
    "additionalProperties": True,
}

describe(
    "/v1/events",
    "post",
    {
        "operationId": "events_create",
        "tags": ["v1"],
        "summary": "Take a batch of game events; answered after the commit.",
        "description": "At most 500 events and 1 MiB after decompression; gzip is understood.",
        "security": [*SECURITY, {}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["events"],
                        "properties": {
                            "api_key": TEXT,
                            "client_version": TEXT,
                            "events": {"type": "array", "items": EVENT, "maxItems": 500},
                        },
                    }
                }
            },
        },
        "responses": {
            "200": {
                **answer(
                    "Committed",
                    "application/json",
                    {"type": "object", "required": ["ok"], "properties": {"ok": {"const": True}}},
                ),
                "headers": {
                    f"X-Neurogame-{name}": {"schema": {"type": "integer"}}
                    for name in ("Accepted", "Duplicate", "Rejected")
                },
            }
        },
    },
)
