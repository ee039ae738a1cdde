"""All routes. Each app keeps its own; the pages of Django's accounts stand here."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.i18n import JavaScriptCatalog

from neurogame.docs import docs
from neurogame.health import health
from neurogame.schema import SchemaView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health", health, name="health"),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/docs", docs, name="docs"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="javascript-catalog"),
    path("", include("neurogame.page_urls")),
    path("", include("interviews.urls")),
    path("", include("tasks.urls")),
    path("", include("telemetry.urls")),
    path("", include("leaderboard.urls")),
]

handler400 = "neurogame.problems.bad_request"
handler403 = "neurogame.problems.forbidden"
handler404 = "neurogame.problems.not_found"
handler500 = "neurogame.problems.server_error"
