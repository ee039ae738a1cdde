"""What the first page of the admin tells recruiters, and operators about the interviewer."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from interviews.models import InterviewSession, Invite, LLMCall
from neurogame import dashboard
from neurogame.dashboard import Card, Row, Section

SHOWN = 6


def _interviews(request: HttpRequest) -> list[Section]:
    if not request.user.has_perm("interviews.view_interviewsession"):
        return []
    now = timezone.now()
    mine = InterviewSession.objects.for_recruiter(request.user)
    running = mine.running(now)
    looking = mine.filter(needs_review=True)
    finished = looking.exclude(pk__in=running.values("pk"))
    sessions = reverse("admin:interviews_interviewsession_changelist")
    cards = [
        Card(_("Running interviews"), running.count(), "", f"{sessions}?running=yes"),
        Card(
            _("Finished, to be reviewed"),
            finished.count(),
            _("A strong integrity signal came in: a person should look."),
            f"{sessions}?needs_review__exact=1&running=no",
            "warn" if finished.exists() else "good",
        ),
    ]
    if request.user.has_perm("interviews.view_invite"):
        invites = Invite.objects.for_recruiter(request.user)
        url = reverse("admin:interviews_invite_changelist")
        failed = invites.open(now).exclude(send_error="").count()
        cards += [
            Card(_("Open invites"), invites.open(now).count(), "", f"{url}?state=open"),
            Card(
                _("Mails that failed"),
                failed,
                _("Open invites whose link reached nobody."),
                f"{url}?state=failed",
                "bad" if failed else "good",
            ),
        ]
    latest = mine.select_related("candidate").order_by("-started_at")[:SHOWN]
    return [
        Section(
            title=_("Interviews"),
            order=10,
            cards=cards,
            rows_title=_("Latest interviews"),
            rows=[_row(session) for session in latest],
            empty=_("No interview yet. Invite somebody: what their link leads to appears here."),
        )
    ]


def _row(session: InterviewSession) -> Row:
    return Row(
        str(session),
        reverse("admin:interviews_interviewsession_change", args=[session.pk]),
        f"{session.theta:+.2f} ± {session.theta_se:.2f}",
    )


def _interviewer(request: HttpRequest) -> list[Section]:
    """For operators: calls to the model that failed."""
    if not request.user.has_perm("interviews.view_llmcall"):
        return []
    day = timezone.now() - timedelta(days=1)
    counts = LLMCall.objects.filter(created_at__gte=day).aggregate(
        all=Count("pk"), failed=Count("pk", filter=~Q(outcome="ok"))
    )
    url = reverse("admin:interviews_llmcall_changelist")
    return [
        Section(
            title=_("Operation"),
            order=90,
            cards=[
                Card(
                    _("Failed model calls, last 24 hours"),
                    counts["failed"],
                    _("Of %(all)s. The script answers where the model does not.")
                    % {"all": counts["all"]},
                    f"{url}?failed=yes",
                    "warn" if counts["failed"] else "good",
                )
            ],
        )
    ]


dashboard.register("interviews", _interviews)
dashboard.register("interviewer", _interviewer)
