"""The candidate's page: sign in or register, start, work, and what was done."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework.exceptions import Throttled
from rest_framework.exceptions import ValidationError as FieldErrors

from interviews import accounts, flow
from interviews.api import TRACK_TEXTS
from interviews.forms import RegisterForm, SignInForm, StartForm
from interviews.models import Consent, InterviewSession, Invite, Level, Track, User
from neurogame import throttling
from neurogame.net import client_address
from neurogame.problems import Problem
from tasks import flow as task_flow
from tasks import offers

LANGUAGE_NAMES = {
    "python": "Python",
    "javascript": "JavaScript",
    "typescript": "TypeScript",
    "c": "C",
    "cpp": "C++",
    "java": "Java",
    "go": "Go",
    "rust": "Rust",
    "sql": "SQL",
}


@never_cache
@sensitive_post_parameters("password")
def interview(request: HttpRequest) -> HttpResponse:
    """`/interview/`: whatever this visitor needs next, from signing in to the closing page."""
    invite, problem = _invite(request.GET.get("invite", ""))
    if not request.user.is_authenticated:
        return _door(request, invite=invite, problem=problem)
    user: User = request.user  # type: ignore[assignment]
    if "session" in request.GET:
        return _one(request, user, request.GET["session"])
    if invite is not None and invite.used_by_id == user.pk:
        started = InterviewSession.objects.for_candidate(user).filter(invite=invite).first()
        if started is not None:
            return _one(request, user, str(started.pk))
    running = InterviewSession.objects.for_candidate(user).running().first()
    if running is not None:
        if invite is not None and invite.is_open():
            messages.info(
                request,
                _("You have an interview running. Finish it first, then open the invite again."),
            )
        return _workspace(request, running)
    if invite is not None and not invite.is_open():
        problem, invite = _used_up(invite), None
    return _start(request, user, invite=invite, problem=problem)


@never_cache
@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    """`/accounts/login/`: the same door, for whoever was sent here from another page."""
    if request.user.is_authenticated:
        return redirect(_next(request))
    return _door(request)


def _invite(token: str) -> tuple[Invite | None, str]:
    """The invite of a link, and what is wrong with the link."""
    if not token:
        return None, ""
    try:
        return flow.find_invite(token), ""
    except FieldErrors:
        return None, _("This invite link is not known. Check that you copied all of it.")


def _used_up(invite: Invite) -> str:
    if invite.used_at:
        return _("This invite has been used already.")
    if invite.revoked_at:
        return _("This invite was withdrawn. Ask the people who sent it for a new one.")
    return _("This invite has expired. Ask the people who sent it for a new one.")


def _next(request: HttpRequest) -> str:
    """Where to go after signing in: `next` when it is a page of ours, else the interview."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if wanted and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    return reverse("interview")


# --- Signing in -----------------------------------------------------------------------------


def _door(request: HttpRequest, invite: Invite | None = None, problem: str = "") -> HttpResponse:
    """Sign in or register, on one page; the errors stand at their fields."""
    action = request.POST.get("action", "sign-in" if request.method == "POST" else "")
    enter = SignInForm(_credentials(request) if action == "sign-in" else None, auto_id="sign-in-%s")
    register = RegisterForm(request.POST if action == "register" else None, auto_id="register-%s")
    status, retry_after = 200, None
    if request.method == "POST":
        form = register if action == "register" else enter
        try:
            user = _register(request, register) if action == "register" else _enter(request, enter)
        except Throttled as throttled:
            user, status, retry_after = None, 429, max(1, int(throttled.wait or 1))
            form.add_error(None, _too_often(retry_after))
        if user is not None:
            login(request, user)
            here = request.get_full_path() if request.path == reverse("interview") else None
            return redirect(here or _next(request))
    context = {
        "section": "interview",
        "sign_in": enter,
        "register": register,
        "registering": action == "register" or (not action and "register" in request.GET),
        "invite": invite if invite is not None and invite.is_open() else None,
        "problem": problem or (_used_up(invite) if invite and not invite.is_open() else ""),
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "demo_password": settings.DEMO_PASSWORD if settings.DEBUG else "",
    }
    response = render(request, "interviews/sign_in.html", context, status=status)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def _credentials(request: HttpRequest) -> QueryDict:
    """What was posted; a client of Django's own sign-in page says `username` for `login`."""
    posted = request.POST.copy()
    if "login" not in posted and "username" in posted:
        posted["login"] = str(posted["username"])
    return posted


def _enter(request: HttpRequest, form: SignInForm) -> User | None:
    if not form.is_valid():
        return None
    try:
        return accounts.sign_in(request, **form.cleaned_data)
    except Problem as wrong:
        form.add_error(None, str(wrong.detail))
        return None


def _register(request: HttpRequest, form: RegisterForm) -> User | None:
    if not form.is_valid():
        return None
    throttling.hit("register", client_address(request))
    try:
        return accounts.register(**form.cleaned_data)
    except ValidationError as error:
        form.add_error(None, error)
        return None


def _too_often(seconds: int) -> str:
    if seconds < 60:
        return ngettext(
            "Too many tries. Try again in %(n)s second.",
            "Too many tries. Try again in %(n)s seconds.",
            seconds,
        ) % {"n": seconds}
    minutes = -(-seconds // 60)
    return ngettext(
        "Too many tries. Try again in %(n)s minute.",
        "Too many tries. Try again in %(n)s minutes.",
        minutes,
    ) % {"n": minutes}


# --- Starting -------------------------------------------------------------------------------


def _start(
    request: HttpRequest, user: User, *, invite: Invite | None, problem: str
) -> HttpResponse:
    """Choose, read what is recorded, begin."""
    posted = request.method == "POST" and request.POST.get("action") == "start"
    form = StartForm(request.POST if posted else None, invite=invite, auto_id="start-%s")
    if posted and form.is_valid():
        try:
            return _begin(request, user, form.cleaned_data, invite)
        except FieldErrors as error:
            lines = error.detail.values() if isinstance(error.detail, dict) else [error.detail]
            form.add_error(None, [str(line) for part in lines for line in part])
        except Problem as refused:
            form.add_error(None, str(refused.detail))
    context = {
        "section": "interview",
        "form": form,
        "invite": invite,
        "problem": problem,
        "may_start": invite is not None or settings.OPEN_SESSIONS,
        "tracks": [
            {"value": track.value, "title": track.label, "text": TRACK_TEXTS[track]}
            for track in Track
        ],
        "levels": [
            {"value": level.value, "title": level.label, "minutes": level.minutes}
            for level in Level
        ],
        "languages": ", ".join(LANGUAGE_NAMES.get(name, name) for name in _languages()),
        "minutes": _minutes(invite) if invite else None,
        "earlier": InterviewSession.objects.for_candidate(user).order_by("-started_at")[:5],
    }
    return render(request, "interviews/start.html", context)


def _languages() -> list[str]:
    """Every language that a task of some track is offered in."""
    found = {name for names in offers.by_track().values() for name in names}
    return [name for name in LANGUAGE_NAMES if name in found]


def _minutes(invite: Invite) -> int:
    return round(Level(invite.level).minutes * float(invite.time_factor))


def _begin(
    request: HttpRequest, user: User, given: dict[str, Any], invite: Invite | None
) -> HttpResponse:
    flow.start(
        user,
        terms={name: given.get(name) for name in ("track", "level", "locale")},
        invite_token=invite.token if invite else "",
        consent=flow.ConsentGiven(version=Consent.CURRENT, signals=given["signals"] == "yes"),
    )
    return redirect("interview")


# --- Working, and afterwards ----------------------------------------------------------------


def _one(request: HttpRequest, user: User, session_id: str) -> HttpResponse:
    """A session by its id: the workspace while it runs, then what was done."""
    try:
        key = uuid.UUID(session_id)
    except ValueError:
        return redirect("interview")
    session = InterviewSession.objects.for_candidate(user).filter(pk=key).first()
    if session is None:
        return redirect("interview")
    if session.ended_at() is None:
        return _workspace(request, session)
    return _finished(request, session)


def _workspace(request: HttpRequest, session: InterviewSession) -> HttpResponse:
    consent = Consent.objects.filter(session=session).first()
    boot = {
        "session_id": str(session.pk),
        "signals": consent is not None and consent.signals,
        "csrf": get_token(request),
        "attempts": settings.TASK_ATTEMPTS,
        "after_url": f"{reverse('interview')}?session={session.pk}",
    }
    title = f"{session.get_track_display()} · {session.get_level_display()}"
    context = {"section": "interview", "boot": boot, "session_title": title}
    return render(request, "interviews/workspace.html", context)


def _finished(request: HttpRequest, session: InterviewSession) -> HttpResponse:
    """Thanks, what happens next, and the tasks; no ability: that is the recruiter's to explain."""
    task_flow.settle(session, timezone.now())
    assignments = session.assignments.select_related("task").prefetch_related("task__translations")
    context = {
        "section": "interview",
        "session": session,
        "ended_at": session.ended_at(),
        "by_clock": session.finished_at is None or session.finish_reason == "time",
        "tasks": [
            {
                "title": assignment.task.text(session.locale).title,
                "passed": assignment.best_passed,
                "total": assignment.total_tests,
                "attempts": assignment.attempts_used,
                "state": assignment.state,
                "reason": assignment.close_reason,
                "reason_text": assignment.get_close_reason_display(),
            }
            for assignment in assignments
        ],
        "may_start": settings.OPEN_SESSIONS,
    }
    return render(request, "interviews/finished.html", context)
