from __future__ import annotations

import pytest

WIRE = {
    "/auth/register", "/auth/login", "/auth/refresh", "/auth/logout", "/auth/me",
    "/interview/start", "/interview/finish", "/interview/tracks", "/interview/{session_id}",
    "/chat/send", "/chat/stream", "/tasks/next", "/tasks/skip", "/tasks/draft", "/tasks/run",
    "/tasks/check", "/tasks/runs/{run_id}", "/telemetry/anticheat", "/v1/events",
    "/v1/leaderboard", "/v1/export/raw", "/v1/models/current", "/health",
}  # fmt: skip


@pytest.mark.django_db
def test_schema_is_openapi_31_of_everything(client):
    answer = client.get("/api/schema")
    schema = answer.json()
    assert schema["openapi"].startswith("3.1")
    assert set(schema["paths"]) == WIRE
    assert "`invalid_api_key`" in schema["info"]["description"]
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]


@pytest.mark.django_db
def test_docs_show_it_under_the_policy(client):
    answer = client.get("/api/docs")
    assert answer.status_code == 200
    assert (
        "unsafe-inline"
        not in answer["Content-Security-Policy"].split("script-src")[1].split(";")[0]
    )
