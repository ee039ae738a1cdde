"""The chat's stream in the API's schema."""

from __future__ import annotations

from neurogame.schema import answer, describe, parameter

describe(
    "/chat/stream",
    "get",
    {
        "operationId": "chat_stream",
        "tags": ["chat"],
        "summary": "Replies as server-sent events: typing, delta, final, error.",
        "description": (
            "`typing` {reply_id}; `delta` {reply_id, seq, text}; `final` {reply_id, text, source, "
            "model}; `error` {reply_id, code, detail, retryable}. Reconnect with `Last-Event-ID`."
        ),
        "security": [{"bearer": []}, {"cookieAuth": []}],
        "parameters": [
            parameter("session_id", "The interview.", {"type": "string"}, required=True),
        ],
        "responses": {"200": answer("Events", "text/event-stream", {"type": "string"})},
    },
)
