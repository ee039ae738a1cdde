"""Invites: one form for one or many, the link to copy, the mail, withdrawing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from interviews import invites
from interviews.invites import Guest, Mailed
from interviews.models import Invite, Level, Team, Track
from interviews.models.sessions import LOCALES
from neurogame import audit
from neurogame.desk import EMPTY, DeskAdmin, labelled, link_to

DAYS = 14


def _levels() -> list[tuple[str, str]]:
    """Levels with their length, in the language of the request."""
    text = _now("%(level)s · %(n)s min")
    return [(each.value, text % {"level": each.label, "n": each.minutes}) for each in Level]


class InviteForm(forms.Form):
    """One interview for each line."""

    who = forms.CharField(
        label=_("Who"),
        help_text=_(
            "One person a line: “Ada Lovelace, ada@example.org”, only an address, or only a name. "
            "A column pasted from a spreadsheet works too."
        ),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )
    team = forms.ModelChoiceField(
        label=_("Team"),
        queryset=Team.objects.none(),
        help_text=_("Its members see the interview."),
        widget=UnfoldAdminSelectWidget,
    )
    track = forms.ChoiceField(label=_("Track"), choices=Track, widget=UnfoldAdminSelectWidget)
    level = forms.ChoiceField(
        label=_("Level"),
        choices=_levels,
        initial=Level.MIDDLE,
        help_text=_("Sets the length, and where the tasks begin; they adapt from there."),
        widget=UnfoldAdminSelectWidget,
    )
    locale = forms.ChoiceField(
        label=_("Language"),
        choices=LOCALES,
        help_text=_("Of the mail and of the interview."),
        widget=UnfoldAdminSelectWidget,
    )
    time_factor = forms.DecimalField(
        label=_("Time factor"),
        max_digits=3,
        decimal_places=2,
        initial=Decimal("1"),
        validators=[MinValueValidator(Decimal("1")), MaxValueValidator(Decimal("4"))],
        help_text=_("1.5 gives half as much time again, for an accommodation."),
        widget=UnfoldAdminDecimalFieldWidget,
    )
    days = forms.IntegerField(
        label=_("Days that the link works"),
        required=False,
        min_value=1,
        max_value=3650,
        initial=DAYS,
        help_text=_("Empty: until it is used or withdrawn."),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    send = forms.BooleanField(
        label=_("Mail the link"),
        required=False,
        initial=True,
        help_text=_("To everyone with an address. The links are shown here either way."),
        widget=UnfoldBooleanSwitchWidget,
    )

    def __init__(self, *args: Any, teams: QuerySet[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["team"].queryset = teams  # type: ignore[attr-defined]
        self.fields["team"].initial = teams.first()

    def clean_who(self) -> list[Guest]:
        return invites.read_guests(self.cleaned_data["who"])


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("open")),
            ("used", _("used")),
            ("withdrawn", _("withdrawn")),
            ("expired", _("expired")),
            ("failed", _("mail failed")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        chosen = {
            "open": Q(revoked_at=None, used_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now)),
            "used": Q(used_at__isnull=False),
            "withdrawn": Q(revoked_at__isnull=False),
            "expired": Q(used_at=None, revoked_at=None, expires_at__lte=now),
            "failed": ~Q(send_error=""),
        }.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


STATES = {
    "open": "good",
    "used": "info",
    "withdrawn": "bad",
    "expired": "warn",
}


@admin.register(Invite)
class InviteAdmin(DeskAdmin):
    seen_by = "team__members"
    list_display = (
        "who", "shown_state", "copy_link", "shown_mail", "track", "level", "team", "expires_at",
    )  # fmt: skip
    list_filter = (
        StateFilter,
        "track",
        "level",
        ("team", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("team", "created_by")
    search_fields = ("candidate_name", "email", "id")
    search_help_text = _("Part of a name or of an address.")
    ordering = ("-created_at",)
    actions = ("mail_again", "withdraw_many")
    actions_detail = ("mail_one", "withdraw_one")
    empty_text = _("No invite yet. Press + to invite one person, or a list of them.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "The link opens one interview, with this track, level and time factor. "
                    "Whoever has it can use it, so send it to nobody else."
                ),
                "fields": ("candidate_name", "email", "shown_state", "copy_link", "shown_session"),
            },
        ),
        (
            _("The interview"),
            {"fields": ("team", "track", "level", "locale", "time_factor", "expires_at")},
        ),
        (
            _("History"),
            {
                "fields": (
                    "created_by", "created_at", "shown_mail", "used_by", "used_at", "revoked_at",
                )
            },
        ),
    )  # fmt: skip
    fixed = (
        "shown_state", "copy_link", "shown_session", "shown_mail", "team", "track", "level",
        "created_by", "created_at", "used_by", "used_at", "revoked_at",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fixed

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was used, withdrawn or has expired stays as it is."""
        closed = isinstance(obj, Invite) and not obj.is_open()
        return not closed and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Invites are withdrawn, not deleted: the record of an interview hangs on them."""
        return False

    # --- Showing ------------------------------------------------------------------------------

    @display(description=_("candidate"), ordering="candidate_name", header=True)
    def who(self, row: Invite) -> list[str]:
        return [row.candidate_name or row.email or str(row.pk)[:8], row.email]

    @labelled(_("state"), STATES)
    def shown_state(self, row: Invite) -> tuple[str, str]:
        if row.used_at:
            return "used", _now("used")
        if row.revoked_at:
            return "withdrawn", _now("withdrawn")
        return ("open", _now("open")) if row.is_open() else ("expired", _now("expired"))

    @display(description=_("mail"))
    def shown_mail(self, row: Invite) -> SafeString | str:
        if row.send_error:
            return format_html(
                '<span class="ng-tag ng-tag--bad" title="{}">{}</span> {}',
                row.send_error,
                _now("failed"),
                row.send_error,
            )
        if row.sent_at:
            return f"{timezone.localtime(row.sent_at):%Y-%m-%d %H:%M}"
        return _now("not mailed") if row.email else EMPTY

    @display(description=_("link"))
    def copy_link(self, row: Invite) -> SafeString | str:
        if not row.is_open():
            return EMPTY
        return format_html(
            '<button type="button" class="ng-button" data-copy-text="{}" data-done="{}" '
            'title="{}">{}</button>',
            row.link,
            _now("Copied"),
            row.link,
            _now("Copy link"),
        )

    @display(description=_("interview"))
    def shown_session(self, row: Invite) -> SafeString | str:
        return link_to(getattr(row, "session", None))

    # --- Making -------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One page for one or many. The mails go out after the invites are committed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        teams = Team.objects.for_recruiter(request.user)
        form = InviteForm(request.POST or None, teams=teams)
        if request.method == "POST" and form.is_valid():
            return self._make(request, form.cleaned_data)
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Invite"),
            form=form,
            submit_label=_("Make the invites"),
            back_url=self.url("changelist"),
            intro=_("An invite belongs to a team, and you are in none yet: ask an administrator.")
            if not teams
            else "",
        )

    def _make(self, request: HttpRequest, chosen: dict[str, Any]) -> HttpResponse:
        days = chosen["days"]
        made = invites.make(
            team=chosen["team"],
            by=request.user,  # type: ignore[arg-type]
            guests=chosen["who"],
            track=chosen["track"],
            level=chosen["level"],
            locale=chosen["locale"],
            time_factor=chosen["time_factor"],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
        )
        for invite in made:
            audit.note(request, invite, f"Made for {invite.track}, {invite.level}.")
        text = ngettext("%d invite was made.", "%d invites were made.", len(made))
        self.message_user(request, text % len(made), messages.SUCCESS)
        if chosen["send"]:
            self._tell(request, invites.mail(made))
        if len(made) == 1:
            return redirect(self.url("change", made[0].pk))
        return redirect(self.url("changelist"))

    def _tell(self, request: HttpRequest, mailed: Mailed) -> None:
        if mailed.sent:
            text = ngettext("%d mail was sent.", "%d mails were sent.", mailed.sent)
            self.message_user(request, text % mailed.sent, messages.SUCCESS)
        if mailed.failed:
            text = ngettext(
                "%d mail failed; the invite says why. Copy its link, or mail it again.",
                "%d mails failed; each invite says why. Copy the links, or mail them again.",
                mailed.failed,
            )
            self.message_user(request, text % mailed.failed, messages.ERROR)
        if not mailed.sent and not mailed.failed:
            self.message_user(
                request, _("Nothing was mailed: no address, or no longer open."), messages.INFO
            )

    # --- Mailing again and withdrawing --------------------------------------------------------

    @action(description=_("Mail the link again"), permissions=["change"])
    def mail_again(self, request: HttpRequest, queryset: QuerySet[Invite]) -> None:
        self._tell(request, invites.mail(queryset.select_related("team", "created_by")))

    @action(description=_("Withdraw"), permissions=["change"])
    def withdraw_many(self, request: HttpRequest, queryset: QuerySet[Invite]) -> Any:
        chosen = list(queryset)
        if "confirmed" in request.POST:
            self._withdraw(request, chosen)
            return None
        return self.ask(
            request,
            chosen,
            action="withdraw_many",
            form=forms.Form(),
            title=_("Withdraw invites"),
            submit_label=_("Withdraw"),
            tone="danger",
        )

    @action(description=_("Mail again"), url_path="mail", icon="send", permissions=["change"])
    def mail_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invite = self.found(request, object_id)
        if request.method == "POST":
            self._tell(request, invites.mail([invite]))
            return redirect(self.url("change", invite.pk))
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Mail the link"),
            obj=invite,
            form=forms.Form(),
            submit_label=_("Mail it"),
            question=_("The link goes to %(email)s.") % {"email": invite.email or "–"},
        )

    @action(description=_("Withdraw"), url_path="withdraw", icon="block", permissions=["change"])
    def withdraw_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invite = self.found(request, object_id)
        if request.method == "POST":
            self._withdraw(request, [invite])
            return redirect(self.url("change", invite.pk))
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Withdraw the invite"),
            obj=invite,
            form=forms.Form(),
            submit_label=_("Withdraw"),
            tone="danger",
            question=_("The link of %(who)s stops working. This cannot be undone.")
            % {"who": invite},
        )

    def _withdraw(self, request: HttpRequest, chosen: list[Invite]) -> None:
        done = 0
        for invite in chosen:
            if invites.withdraw(invite):
                audit.note(request, invite, "Withdrawn.")
                done += 1
        if done:
            text = ngettext("%d invite was withdrawn.", "%d invites were withdrawn.", done)
            self.message_user(request, text % done, messages.SUCCESS)
        if done < len(chosen):
            left = len(chosen) - done
            text = ngettext(
                "%d was used or withdrawn already.", "%d were used or withdrawn already.", left
            )
            self.message_user(request, text % left, messages.INFO)
