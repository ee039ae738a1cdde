"""`/leaderboard/`: the board for people. It is drawn here once and kept fresh by its script."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from leaderboard.chart import histogram, line, sparkline
from leaderboard.forms import BoardForm
from leaderboard.live import Selection, Unavailable, live, today
from leaderboard.ranking import Ranking, masked
from leaderboard.trends import Trend, trends
from neurogame.problems import problem_response, unavailable

MOST_CHOICES = 100
# Rows further down have no trend: nobody compares that many at a glance.
TRENDS_MOST = 100


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """The page; with `?part=live` only what changes, for a page that refreshes itself."""
    alone = request.GET.get("part") == "live"
    try:
        context = drawn(request)
    except Unavailable:
        if alone:
            return problem_response("unavailable", _("The database is busy."), retry_after=1)
        return unavailable(request)
    if alone:
        parts = {
            name: render_to_string(f"leaderboard/{name}.html", context, request)
            for name in ("rows", "me", "chart")
        }
        return JsonResponse(parts, headers={"Cache-Control": "no-store"})
    return render(request, "leaderboard/board.html", context)


def drawn(request: HttpRequest) -> dict[str, Any]:
    """What the page shows. Raises `Unavailable`."""
    live.ranking(Selection())  # so that what the filters offer is known
    task_types, model_versions = live.known_values()
    form = BoardForm(
        request.GET,
        task_types=task_types[:MOST_CHOICES],
        model_versions=model_versions[:MOST_CHOICES],
    )
    filters = form.filters()
    player = form.player_id
    selection = Selection(filters["window"], filters["task_type"], filters["model_version"])
    ranking = live.ranking(selection)
    min_tasks, limit = filters["min_tasks"], filters["limit"]
    chosen = ranking.among(min_tasks)
    places = chosen[:limit].tolist()
    mine = found(ranking, player, min_tasks=min_tasks)
    lines = trends(
        ranking,
        [*places[:TRENDS_MOST], *([mine[0]] if mine else [])],
        task_type=selection.task_type,
        model_version=selection.model_version,
        first=min(selection.days(today()) or (), default=None),
    )
    rows = ranking.rows(limit=limit, min_tasks=min_tasks)
    shares = ranking.percentiles(places, min_tasks=min_tasks)
    marked = mine[1]["score"] if mine else None
    wanted = {name: value for name, value in filters.items() if value is not None}
    context: dict[str, Any] = {
        "section": "leaderboard",
        "form": form,
        "min_tasks": min_tasks,
        "rows": with_drawings(rows, places, shares, lines, mine[0] if mine else None),
        "players": len(chosen),
        "chart": histogram(ranking.score[chosen] / 10, marked=marked),
        "mine": marked is not None,
        "player": player,
        "api": f"/v1/leaderboard?{urlencode(wanted)}",
        "boot": {"player": player, "found": mine is not None},
    }
    if mine:
        place, row = mine
        (percentile,) = ranking.percentiles([place], min_tasks=min_tasks)
        trend = lines[place]
        points = [(point.day, point.score, point.trials) for point in trend.points]
        context["me"] = row | {
            "percentile": percentile,
            "percent": row["accuracy"] * 100,
            "line": line(points),
            "change": trend.change,
            "shown": place in places,
        }
    return context


def found(ranking: Ranking, player: str, *, min_tasks: int) -> tuple[int, dict[str, Any]] | None:
    """(place, row) of the player with this id. Nobody is looked up by an address."""
    number = live.player(player) if player and masked(player) == player else None
    return None if number is None else ranking.find(number, min_tasks=min_tasks)


def with_drawings(
    rows: list[dict[str, Any]],
    places: list[int],
    percentiles: list[float],
    lines: dict[int, Trend],
    mine: int | None,
) -> list[dict[str, Any]]:
    """Each row with its percentile and trend, and with the places of its score and of its error
    bar on a common scale of 0 to 100."""
    if not rows:
        return []
    low = min(row["score"] - row["score_se"] for row in rows)
    high = max(row["score"] + row["score_se"] for row in rows)
    scale = 96 / ((high - low) or 1.0)

    def at(value: float) -> float:
        return round(2 + (value - low) * scale, 1)

    drawn_rows = []
    for row, place, percentile in zip(rows, places, percentiles, strict=True):
        trend = lines.get(place, Trend((), None))
        drawn_rows.append(
            row
            | {
                "me": place == mine,
                "percent": row["accuracy"] * 100,
                "percentile": percentile,
                "change": trend.change,
                "spark": sparkline([point.score for point in trend.points]),
                "at": at(row["score"]),
                "from": at(row["score"] - row["score_se"]),
                "to": at(row["score"] + row["score_se"]),
            }
        )
    return drawn_rows
