"""The pages that belong to no room: the start page and the game client's."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """`/`: what this is and where to go; in development also the demo logins."""
    context = {"demo_accounts": demo_accounts() if settings.DEBUG else []}
    return render(request, "neurogame/home.html", context)


@require_safe
def play(request: HttpRequest) -> HttpResponse:
    """`/play/`: how a game sends its events."""
    context = {"section": "play", "events_url": request.build_absolute_uri("/v1/events")}
    return render(request, "neurogame/play.html", context)


def demo_accounts() -> list[dict[str, str]]:
    """Login, password and place of work of each demo account, for the start page."""
    admin = (_("the admin"), reverse("admin:index"))
    places = {
        "admin": admin,
        "recruiter": admin,
        "analyst": admin,
        "candidate": (_("the interview"), reverse("interview")),
    }
    return [
        {"login": login, "password": settings.DEMO_PASSWORD, "place": place, "url": url}
        for login, (place, url) in places.items()
    ]
