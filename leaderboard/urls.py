"""Routes of the leaderboard: its page and its API."""

from __future__ import annotations

from django.urls import path

from leaderboard import api, schema, views  # noqa: F401 - the schema describes the route
from neurogame import direct

urlpatterns = [
    path("leaderboard/", views.board, name="leaderboard"),
    path("v1/leaderboard", api.leaderboard, name="leaderboard-api"),
]

direct.register("/v1/leaderboard", api.leaderboard)
