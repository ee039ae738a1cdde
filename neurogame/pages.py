"""The pages that belong to no room: the start page and the game client's."""

from __future__ import annotations

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

PYTHON_SAMPLE = """\
from client import Client

telemetry = Client()  # reads the three variables

telemetry.track(
    "task_result",
    user_id="u_42",
    session_id="s_20260217_120000_u_42",
    model_version="baseline_v1",
    payload={"correct": True, "rt_ms": 1260, "task_type": "stroop"},
)
telemetry.close(timeout=3)  # optional: leaving the game drains by itself
"""

CURL_SAMPLE = """\
curl %(url)s \\
  -H 'Content-Type: application/json' \\
  -H "Authorization: Bearer $NEUROGAME_TELEMETRY_API_KEY" \\
  -d '{"client_version": "1.0.0",
       "events": [{"event_id": "01HX5T3D8G2V", "event_type": "task_result",
                   "event_ts": "2026-02-17T12:05:11Z", "user_id": "u_42",
                   "session_id": "s_20260217_120000_u_42", "model_version": "baseline_v1",
                   "payload": {"correct": true, "rt_ms": 1260}}]}'
"""


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """`/`: what this is and where to go; in development also the demo logins."""
    context = {"demo_accounts": demo_accounts() if settings.DEBUG else []}
    return render(request, "neurogame/home.html", context)


@require_safe
def play(request: HttpRequest) -> HttpResponse:
    """`/play/`: how a game sends its events."""
    events_url = request.build_absolute_uri("/v1/events")
    context = {
        "section": "play",
        "events_url": events_url,
        "python_sample": PYTHON_SAMPLE,
        "curl_sample": CURL_SAMPLE % {"url": events_url},
    }
    return render(request, "neurogame/play.html", context)


@require_safe
def play_client(request: HttpRequest) -> FileResponse:
    """`/play/client.py`: the file that a game drops in."""
    path = settings.BASE_DIR / "telemetry" / "client.py"
    return FileResponse(
        path.open("rb"), as_attachment=True, filename="client.py", content_type="text/x-python"
    )


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
