"""`GET /v1/leaderboard`: public, best first, answered from memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from leaderboard.live import WINDOWS, Selection, Unavailable, live
from neurogame.problems import problem_response

MOST_ROWS, MOST_TRIALS = 1000, 10**9


class FilterSerializer(serializers.Serializer[Any]):
    """What may be asked of the board."""

    limit = serializers.IntegerField(min_value=1, max_value=MOST_ROWS, default=100)
    min_tasks = serializers.IntegerField(min_value=0, max_value=MOST_TRIALS, default=30)
    window = serializers.ChoiceField(choices=WINDOWS, default="all")
    task_type = serializers.CharField(max_length=64, required=False)
    model_version = serializers.CharField(max_length=128, required=False)


def filters_of(query: QueryDict) -> Mapping[str, Any]:
    """The filters of a request; raises `ValidationError`.

    What is plainly right is taken as it is, and only the rest costs the serializer's time.
    """
    given = {name: str(value) for name, value in query.items() if value != ""}
    plain: dict[str, Any] = {"limit": 100, "min_tasks": 30, "window": "all"}
    for name, value in given.items():
        if name in ("limit", "min_tasks") and re.fullmatch(r"[0-9]{1,10}", value):
            plain[name] = int(value)
        elif (name == "window" and value in WINDOWS) or (
            name in ("task_type", "model_version")
            and value.isprintable()
            and value.strip() == value
        ):
            plain[name] = value
        elif name in ("limit", "min_tasks", "window", "task_type", "model_version"):
            break
    else:
        if (
            1 <= plain["limit"] <= MOST_ROWS
            and plain["min_tasks"] <= MOST_TRIALS
            and len(plain.get("task_type", "")) <= 64
            and len(plain.get("model_version", "")) <= 128
        ):
            return plain
    filters = FilterSerializer(data=given)
    filters.is_valid(raise_exception=True)
    return dict(filters.validated_data)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "OPTIONS"])
async def leaderboard(request: HttpRequest) -> HttpResponse:
    """The standings, best first."""
    if request.method == "OPTIONS":
        return JsonResponse({"name": "Leaderboard"}, headers={"Allow": "GET, HEAD, OPTIONS"})
    try:
        filters = filters_of(request.GET)
    except ValidationError as error:
        detail: Any = error.detail
        errors = {name: [str(text) for text in texts] for name, texts in detail.items()}
        return problem_response("invalid", _("Some fields are not right."), errors=errors)
    selection = Selection(filters["window"], filters.get("task_type"), filters.get("model_version"))
    try:
        ranking = await live.aranking(selection)
    except Unavailable:
        return problem_response("unavailable", _("The database is busy."), retry_after=1)
    body = ranking.answer(limit=filters["limit"], min_tasks=filters["min_tasks"])
    return HttpResponse(
        body, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
