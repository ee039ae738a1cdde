"""Routes of the leaderboard: its page and its API."""

from __future__ import annotations

from django.urls import path

from leaderboard import api, columns, schema, views  # noqa: F401 - what describes itself
from neurogame import direct

urlpatterns = [
    path("leaderboard/", views.board, name="leaderboard"),
    path("v1/leaderboard", api.leaderboard, name="leaderboard-api"),
]

direct.register("/v1/leaderboard", api.leaderboard)
