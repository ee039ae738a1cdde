"""`/api/schema`: what drf-spectacular cannot see by itself.

Plain (asynchronous, streaming) views are described by their apps with `describe`; every operation
gets the problem shape for its errors, and the description holds the table of codes.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from drf_spectacular.views import SpectacularJSONAPIView

from neurogame.problems import CODES, CONTENT_TYPE

_plain: dict[str, dict[str, Any]] = {}

CHECKS = {"type": "object", "additionalProperties": {"type": "string"}}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; the table of codes is in the description.",
    "required": ["ok", "type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "ok": {"const": False},
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": list(CODES)},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "state": {"type": "string"},
        "session_state": {"type": "string"},
        "task_state": {"type": "string"},
        "session_id": {"type": "string", "description": "With `session_active`."},
        "draft": {"type": "object", "description": "With `draft_conflict`: the stored one."},
        "checks": {**CHECKS, "description": "Of `/health`."},
    },
}


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "neurogame.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return build_bearer_security_scheme_object("Authorization", "Bearer", "JWT")


def describe(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add an OpenAPI operation for a view that is not a DRF view."""
    _plain.setdefault(path, {})[method] = operation


def answer(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI response object."""
    return {"description": description, "content": {media_type: {"schema": schema}}}


def parameter(name: str, description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An OpenAPI query parameter."""
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Postprocessing hook: plain views, the error shape, the table of codes."""
    result["paths"].update(_plain)
    result["paths"] = dict(sorted(result["paths"].items()))
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    result["components"].setdefault("securitySchemes", {}).setdefault(
        "apiKey", {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    )
    problem = answer("A problem", CONTENT_TYPE, {"$ref": "#/components/schemas/Problem"})
    for operations in result["paths"].values():
        for operation in operations.values():
            operation.setdefault("responses", {}).setdefault("default", problem)
    rows = "\n".join(f"| `{code}` | {status} | {text} |" for code, (status, text) in CODES.items())
    result["info"]["description"] = (
        "Game telemetry and technical interviews. All ids are opaque strings; every answer "
        "carries `X-Request-ID`; every error is `application/problem+json`.\n\n"
        f"| code | status | meaning |\n|---|---|---|\n{rows}\n"
    )
    return result


class SchemaView(SpectacularJSONAPIView):
    """OpenAPI 3.1 as JSON."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


describe(
    "/health",
    "get",
    {
        "operationId": "health",
        "tags": ["health"],
        "summary": "What works: database, migrations, sandbox, bus, interviewer.",
        "responses": {
            "200": answer(
                "Ready",
                "application/json",
                {
                    "type": "object",
                    "required": ["ok", "checks"],
                    "properties": {"ok": {"const": True}, "checks": CHECKS},
                },
            ),
            "503": answer("Not ready", CONTENT_TYPE, {"$ref": "#/components/schemas/Problem"}),
        },
    },
)
