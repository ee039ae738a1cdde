"""Routes of the leaderboard: its page and its API."""

from __future__ import annotations

from django.urls import path

from leaderboard import api, columns, views  # noqa: F401 - the dictionary has its columns

urlpatterns = [
    path("leaderboard/", views.board, name="leaderboard"),
    path("v1/leaderboard", api.LeaderboardView.as_view(), name="leaderboard-api"),
]
