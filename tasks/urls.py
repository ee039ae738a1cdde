"""Routes of the task room."""

from __future__ import annotations

from django.urls import path

from tasks import api

urlpatterns = [
    path("tasks/next", api.NextView.as_view(), name="tasks-next"),
    path("tasks/skip", api.SkipView.as_view(), name="tasks-skip"),
    path("tasks/draft", api.DraftView.as_view(), name="tasks-draft"),
    path("tasks/run", api.RunView.as_view(), name="tasks-run"),
    path("tasks/check", api.CheckView.as_view(), name="tasks-check"),
    path("tasks/runs/<str:run_id>", api.RunResultView.as_view(), name="tasks-run-result"),
]
