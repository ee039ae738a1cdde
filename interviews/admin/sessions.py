"""Interviews: the list, the report as one page, and what a recruiter may do about one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from interviews import review
from interviews.models import InterviewSession
from interviews.models.sessions import SessionState
from interviews.report import report
from interviews.resources import SessionResource, counted
from neurogame import audit
from neurogame.desk import BigRecordAdmin, DaysFilter, labelled
from neurogame.exports import ExportAdmin

TONES = {"active": "good", "paused": "warn", "finished": ""}


class MinutesForm(forms.Form):
    minutes = forms.IntegerField(
        label=_("Minutes more"),
        min_value=1,
        max_value=review.MOST_MINUTES,
        initial=15,
        help_text=_("Added to the interview and to the task that is open."),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    why = forms.CharField(
        label=_("Why"),
        required=False,
        max_length=300,
        help_text=_("Kept in the history of the interview."),
        widget=UnfoldAdminTextInputWidget,
    )


class NoteForm(forms.Form):
    note = forms.CharField(
        label=_("What you found"),
        required=False,
        max_length=300,
        help_text=_("Kept in the history of the interview, with your name."),
        widget=UnfoldAdminTextInputWidget,
    )


class RunningFilter(admin.SimpleListFilter):
    """By the clock: an interview past its end is finished, swept or not."""

    title = _("state")
    parameter_name = "running"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("running")), ("no", _("finished"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        over = Q(state=SessionState.FINISHED) | Q(state=SessionState.ACTIVE, ends_at__lte=now)
        if self.value() == "yes":
            return queryset.exclude(over)
        return queryset.filter(over) if self.value() == "no" else queryset


@admin.register(InterviewSession)
class InterviewSessionAdmin(ExportAdmin, BigRecordAdmin):
    resource_classes = [SessionResource]
    seen_by = "team__members"
    list_display = (
        "who", "shown_state", "ability", "solved", "attempts", "review", "track", "level", "team",
        "started_at",
    )  # fmt: skip
    list_filter = (
        RunningFilter,
        "needs_review",
        "track",
        "level",
        ("team", admin.RelatedOnlyFieldListFilter),
        ("started_at", DaysFilter),
    )
    list_select_related = ("candidate", "team", "invite")
    search_fields = (
        "candidate__nickname_key", "candidate__email_key", "invite__candidate_name",
        "invite__email", "id",
    )  # fmt: skip
    search_help_text = _("Nickname, address, the name on the invite, or the id of an interview.")
    sortable_by = ("started_at", "ability")
    ordering = ("-started_at",)
    actions = ("mark_reviewed",)
    empty_text = _("No interview yet. Invite somebody: what their link leads to appears here.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return counted(super().get_queryset(request))

    # --- The list -----------------------------------------------------------------------------

    @display(description=_("candidate"), header=True)
    def who(self, row: InterviewSession) -> list[str]:
        name = row.invite.candidate_name if row.invite else ""
        return [str(row.candidate), name or row.candidate.email or ""]

    @labelled(_("state"), TONES)
    def shown_state(self, row: InterviewSession) -> tuple[str, Any]:
        state = SessionState(row.current_state())
        return state.value, state.label

    @display(description=_("ability ± error"), ordering="theta")
    def ability(self, row: InterviewSession) -> str:
        return f"{row.theta:+.2f} ± {row.theta_se:.2f}"

    @display(description=_("tasks solved"))
    def solved(self, row: Any) -> str:
        return f"{row.tasks_accepted} / {row.tasks_given}"

    @display(description=_("attempts"))
    def attempts(self, row: Any) -> int:
        return row.attempts_made

    @labelled(_("integrity"), {"look": "bad"})
    def review(self, row: InterviewSession) -> tuple[str, str] | None:
        return ("look", _now("needs review")) if row.needs_review else None

    # --- The report ---------------------------------------------------------------------------

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("interviews.change_interviewsession")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The interview as one page; nothing on it is edited."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        session = self.found(request, object_id)
        audit.looked(request, session, "Opened the report.")
        return self.page(
            request,
            "admin/interviews/interviewsession/report.html",
            title=str(session),
            obj=session,
            report=report(session),
            may_decide=self.has_decide_permission(request),
            urls={
                "end": self.url("end", session.pk),
                "minutes": self.url("minutes", session.pk),
                "reviewed": self.url("reviewed", session.pk),
                "history": self.url("history", session.pk),
            },
        )

    def get_urls(self) -> list[Any]:
        pages = [("end", self.end), ("minutes", self.minutes), ("reviewed", self.reviewed)]
        return [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"interviews_interviewsession_{name}",
            )
            for name, view in pages
        ] + super().get_urls()

    # --- Decisions ----------------------------------------------------------------------------

    def _decidable(self, request: HttpRequest, object_id: str) -> InterviewSession:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        return self.found(request, object_id)

    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End a running interview, after a confirmation."""
        session = self._decidable(request, object_id)
        if request.method == "POST":
            if review.end(session):
                audit.note(request, session, "Ended the interview.")
                messages.success(request, _now("The interview is over."))
            else:
                messages.info(request, _now("The interview was over already."))
            return redirect(self.url("change", session.pk))
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("End the interview"),
            obj=session,
            form=forms.Form(),
            tone="danger",
            submit_label=_("End it now"),
            question=_(
                "The candidate can write nothing from then on; the last draft is still checked."
            ),
        )

    def minutes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give a running interview more time."""
        session = self._decidable(request, object_id)
        form = MinutesForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            minutes, why = form.cleaned_data["minutes"], form.cleaned_data["why"]
            if review.add_minutes(session, minutes):
                audit.note(request, session, f"Added {minutes} minutes. {why}".strip())
                text = ngettext("%d minute was added.", "%d minutes were added.", minutes)
                messages.success(request, text % minutes)
            else:
                messages.error(
                    request, _now("The interview is over: time can be added only while it runs.")
                )
            return redirect(self.url("change", session.pk))
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Add minutes"),
            obj=session,
            form=form,
            submit_label=_("Add"),
            intro=_("For a fault of ours, or an accommodation. The candidate's timer follows."),
        )

    def reviewed(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take the mark off an interview that somebody has looked at."""
        session = self._decidable(request, object_id)
        form = NoteForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._review(request, session, form.cleaned_data["note"])
            messages.success(request, _now("Marked as reviewed."))
            return redirect(self.url("change", session.pk))
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Mark as reviewed"),
            obj=session,
            form=form,
            submit_label=_("Mark as reviewed"),
            intro=_("A strong signal that comes in later marks the interview again."),
        )

    def _review(self, request: HttpRequest, session: InterviewSession, note: str) -> bool:
        done = review.reviewed(session)
        audit.note(request, session, f"Reviewed. {note}".strip())
        return done

    @action(description=_("Mark as reviewed"), permissions=["decide"])
    def mark_reviewed(self, request: HttpRequest, queryset: QuerySet[InterviewSession]) -> None:
        done = sum(self._review(request, row, "") for row in queryset.filter(needs_review=True))
        text = ngettext("%d interview was marked.", "%d interviews were marked.", done)
        self.message_user(request, text % done, messages.SUCCESS)
