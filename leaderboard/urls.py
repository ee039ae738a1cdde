"""Routes of the leaderboard: the page; the API's are added by `api.py`."""

from __future__ import annotations

from django.urls import path

from leaderboard import views

urlpatterns = [
    path("leaderboard/", views.board, name="leaderboard"),
]
