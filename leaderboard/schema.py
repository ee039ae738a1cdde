"""The board in the API's schema."""

from __future__ import annotations

from typing import Any

from leaderboard.live import WINDOWS
from neurogame.schema import answer, describe, parameter

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
ROW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rank": {**INTEGER, "description": "Equal scores share one: 1, 2, 2, 4."},
        "user_id": {**TEXT, "description": "The game's pseudonym; an address is masked."},
        "tasks": {**INTEGER, "description": "Trials that counted, timeouts among them."},
        "correct": INTEGER,
        "accuracy": {**NUMBER, "minimum": 0, "maximum": 1},
        "avg_rt_ms": {"type": ["number", "null"], "description": "Null without a response."},
        "score": {
            **NUMBER,
            "description": "Thousandths of a point a trial, pulled towards the population's mean; "
            "where difficulties are known, what the ability would earn on items of mean difficulty.",
        },
        "score_se": {**NUMBER, "description": "Standard error of the score."},
        "provisional": {"type": "boolean", "description": "Under 100 trials."},
    },
}
ROW["required"] = list(ROW["properties"])

describe(
    "/v1/leaderboard",
    "get",
    {
        "operationId": "leaderboard_list",
        "tags": ["v1"],
        "summary": "The standings, best first.",
        "security": [{}],
        "parameters": [
            parameter(
                "limit", "Players.", {**INTEGER, "minimum": 1, "maximum": 1000, "default": 100}
            ),
            parameter(
                "min_tasks", "Only players with so many trials.",
                {**INTEGER, "minimum": 0, "maximum": 10**9, "default": 30},
            ),
            parameter(
                "window", "Today, the last seven days (UTC), or everything.",
                {**TEXT, "enum": list(WINDOWS), "default": "all"},
            ),
            parameter("task_type", "Trials of one task type.", {**TEXT, "maxLength": 64}),
            parameter("model_version", "Trials under one model.", {**TEXT, "maxLength": 128}),
        ],
        "responses": {
            "200": answer("The board", "application/json", {"type": "array", "items": ROW})
        },
    },
)  # fmt: skip
