"""`/leaderboard/`: the board for people. It is drawn here once and kept fresh by its script."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from leaderboard import standings
from leaderboard.chart import histogram
from leaderboard.forms import BoardForm
from leaderboard.models import Standing

MOST_CHOICES = 100


def _known(field: str) -> list[str]:
    """Values of a filter that occur, as far as they fit into a list."""
    values = Standing.objects.order_by(field).values_list(field, flat=True).distinct()
    return [value for value in values[:MOST_CHOICES] if value]


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """The page; with `?part=chart` only the chart, for a page that refreshes itself."""
    form = BoardForm(
        request.GET, task_types=_known("task_type"), model_versions=_known("model_version")
    )
    filters = form.filters()
    rows = standings.board(**filters)
    player = form.player_id
    mine = next((row for row in rows if player and row["user_id"] == player), None)
    chart = histogram([row["score"] for row in rows], marked=mine["score"] if mine else None)
    context: dict[str, Any] = {"chart": chart, "players": len(rows), "mine": mine}
    if request.GET.get("part") == "chart":
        return render(request, "leaderboard/chart.html", context)
    wanted = {name: value for name, value in filters.items() if value is not None}
    context |= {
        "section": "leaderboard",
        "form": form,
        "rows": with_intervals(rows, player),
        "player": player,
        "boot": {"api": f"/v1/leaderboard?{urlencode(wanted)}", "player": player},
    }
    return render(request, "leaderboard/board.html", context)


def with_intervals(rows: list[dict[str, Any]], player: str) -> list[dict[str, Any]]:
    """Each row with the place of its score and of its error bar on a common scale of 0 to 100."""
    if not rows:
        return []
    low = min(row["score"] - row["score_se"] for row in rows)
    high = max(row["score"] + row["score_se"] for row in rows)
    scale = 96 / ((high - low) or 1.0)

    def at(value: float) -> float:
        return round(2 + (value - low) * scale, 1)

    return [
        row
        | {
            "me": bool(player) and row["user_id"] == player,
            "percent": row["accuracy"] * 100,
            "at": at(row["score"]),
            "from": at(row["score"] - row["score_se"]),
            "to": at(row["score"] + row["score_se"]),
        }
        for row in rows
    ]
