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
describe(
    "/v1/models/current",
    "get",
    {
        "operationId": "models_current",
        "tags": ["v1"],
        "summary": "The model that the game is to play with.",
        "description": (
            "A key of any scope may ask. `name` is what the game sends back as `model_version`. "
            "Before a champion was chosen the game's own baseline is answered, whose `params` are "
            "empty; 404 only when that is not registered either. Ask with `If-None-Match`: 304 "
            "while nothing has changed."
        ),
        "security": SECURITY,
        "parameters": [
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "The `ETag` of the answer at hand.",
                "schema": TEXT,
            }
        ],
        "responses": {
            "200": {
                **answer(
                    "The champion, or the baseline",
                    "application/json",
                    {
                        "type": "object",
                        "required": [
                            "ok",
                            "name",
                            "kind",
                            "params",
                            "champion",
                            "champion_since",
                            "created_at",
                        ],
                        "properties": {
                            "ok": {"const": True},
                            "name": TEXT,
                            "kind": {
                                **TEXT,
                                "examples": ["baseline", "item_mean", "elo", "logistic"],
                            },
                            "params": {"type": "object", "description": "All of the model."},
                            "champion": {"type": "boolean"},
                            "champion_since": {"type": ["string", "null"], "format": "date-time"},
                            "created_at": TIME,
                        },
                    },
                ),
                "headers": {"ETag": {"schema": TEXT}},
            },
            "304": {"description": "Nothing has changed", "headers": {"ETag": {"schema": TEXT}}},
        },
    },
)
