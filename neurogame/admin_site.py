"""The admin site: unfold's, with a sidebar by role, a first page, and a policy of its own.

The content security policy of the admin differs from the site's in three points, and only under
`/admin/`:

- `'unsafe-eval'`: unfold's Alpine makes functions of the expressions in `x-` attributes.
- `'unsafe-inline'` for styles alone: unfold writes its colours as a `<style>` and widths as
  `style=` attributes, and htmx adds a `<style>` for its indicator.
- the admin may frame itself: unfold shows related objects in a frame.

Inline scripts stay forbidden: unfold has none, and what the admin adds is in files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csp import csp_override
from unfold.sites import UnfoldAdminSite

from neurogame import dashboard

ADMIN_CSP = {
    **settings.SECURE_CSP,
    "script-src": [CSP.SELF, CSP.NONCE, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "frame-ancestors": [CSP.SELF],
}

# title: (model, its icon, its name if not the model's own) ...; whoever may not see a row's model does not get the row.
NAVIGATION: list[tuple[Any, list[tuple[Any, ...]]]] = [
    (
        _("Interviews"),
        [
            ("interviews.interviewsession", "forum"),
            ("interviews.invite", "mail"),
            ("interviews.team", "groups"),
        ],
    ),
    (
        _("Evidence"),
        [
            ("tasks.attempt", "fact_check"),
            ("telemetry.anticheatsignal", "policy"),
            ("interviews.message", "chat"),
            ("tasks.assignment", "assignment"),
            ("tasks.coderun", "play_arrow"),
            ("tasks.draft", "edit_note"),
            ("interviews.consent", "handshake"),
        ],
    ),
    (
        _("Task bank"),
        [
            ("tasks.codingtask", "code_blocks"),
            ("tasks.verification", "verified"),
            ("tasks.rejudge", "gavel"),
        ],
    ),
    (
        _("Game"),
        [
            ("telemetry.gameevent", "sports_esports"),
            ("telemetry.quarantinedevent", "report"),
            ("telemetry.eventconflict", "call_split"),
            ("telemetry.modelversion", "model_training"),
            ("telemetry.apikey", "key"),
            ("telemetry.eventprune", "auto_delete"),
        ],
    ),
    (
        _("Leaderboard"),
        [
            ("leaderboard.standing", "leaderboard"),
            ("leaderboard.playerhold", "front_hand"),
        ],
    ),
    (
        _("Operation"),
        [
            ("interviews.llmcall", "smart_toy"),
            ("django_tasks_database.dbtaskresult", "manufacturing", _("Background jobs")),
            ("admin.logentry", "history", _("Who did what")),
        ],
    ),
    (_("People"), [("interviews.user", "person"), ("auth.group", "badge")]),
]


class NeurogameAdminSite(UnfoldAdminSite):
    index_title = _("Overview")

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        return csp_override(ADMIN_CSP)(super().admin_view(view, cacheable))

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The sign-in page. It stands outside `admin_view`, and needs its policy too."""
        show = super().login

        @csp_override(ADMIN_CSP)
        def answer(request: HttpRequest) -> HttpResponse:
            return show(request, extra_context)

        response = answer(request)
        form = (getattr(response, "context_data", None) or {}).get("form")
        wait = getattr(form, "wait_s", None)
        if wait:
            response.status_code = 429
            response["Retry-After"] = str(wait)
        return response

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        sections = dashboard.sections(request)
        return super().index(request, {"sections": sections} | (extra_context or {}))

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Unfold's search of the sidebar, which takes a page only as a number that exists."""
        if "page" in request.GET:
            request.GET = request.GET.copy()  # type: ignore[misc]
            del request.GET["page"]
        return super().search(request, extra_context)

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        home = reverse(f"{self.name}:index")
        groups = [
            {
                "title": None,
                "items": [
                    {
                        "title": _("Overview"),
                        "icon": "home",
                        "link": home,
                        "has_permission": True,
                        "active": request.path == home,
                    }
                ],
            }
        ]
        registered = {model._meta.label_lower: each for model, each in self._registry.items()}
        for title, rows in NAVIGATION:
            items = []
            for label, icon, *names in rows:
                model_admin = registered.get(label)
                if model_admin is None or not model_admin.has_view_permission(request):
                    continue
                app_label, model_name = label.split(".")
                link = reverse(f"{self.name}:{app_label}_{model_name}_changelist")
                name = names[0] if names else model_admin.model._meta.verbose_name_plural
                items.append(
                    {
                        "title": str(name)[:1].upper() + str(name)[1:],
                        "icon": icon,
                        "link": link,
                        "has_permission": True,
                        "active": request.path.startswith(link),
                    }
                )
            if items:
                groups.append({"title": title, "separator": True, "items": items})
        return groups
