"""Standings, the board as analysts see it, and players who are held back from it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.widgets import INPUT_CLASSES, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from leaderboard import holds, rebuild, standings
from leaderboard.forms import BoardForm
from leaderboard.live import live
from leaderboard.models import HoldState, PlayerHold, Standing
from leaderboard.resources import StandingResource
from neurogame import audit, dashboard
from neurogame.dashboard import Card, Section
from neurogame.desk import (
    BigRecordAdmin,
    DaysFilter,
    DeskAdmin,
    ExactTextFilter,
    days,
    labelled,
    pretty,
)
from neurogame.exports import ExportAdmin


class DayFilter(DaysFilter):
    """Days of a date field: no time of day to convert."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, after = days(
            self.used_parameters.get(f"{self.parameter_name}_from"),
            self.used_parameters.get(f"{self.parameter_name}_to"),
        )
        if first is not None:
            queryset = queryset.filter(day__gte=first.date())
        if after is not None:
            queryset = queryset.filter(day__lt=after.date())
        return queryset


@admin.register(Standing)
class StandingAdmin(ExportAdmin, BigRecordAdmin):
    resource_classes = [StandingResource]
    list_display = (
        "user_id", "task_type", "model_version", "day", "trials", "correct", "timeouts",
        "excluded", "mean_points",
    )  # fmt: skip
    list_filter = (
        ("user_id", ExactTextFilter),
        ("task_type", ExactTextFilter),
        ("model_version", ExactTextFilter),
        ("day", DayFilter),
        "rule_version",
    )
    search_fields = ("user_id__exact",)
    search_help_text = _("The whole id of a player.")
    sortable_by = ("user_id", "day", "trials")
    ordering = ("-day", "user_id", "pk")
    empty_text = _("No standing yet. They add up from the task_result events of the game.")
    actions_list = ("board",)
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "Sums over one player, task type, model version and day. Only integers, so "
                    "that adding event by event equals a rebuild exactly "
                    "(manage.py standings rebuild --check)."
                ),
                "fields": ("user_id", "task_type", "model_version", "day", "rule_version"),
            },
        ),
        (_("Trials"), {"fields": ("trials", "correct", "timeouts", "excluded")}),
        (
            _("Sums"),
            {
                "fields": (
                    "rt_count", "rt_sum_ms", "rt_sq_sum", "points_milli", "points_sq",
                    "mean_points",
                )
            },
        ),
        (
            _("Difficulties"),
            {
                "fields": (
                    "rated", "rated_correct", "unrated", "difficulty_sum", "difficulty_sq",
                    "difficulty_correct",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = ("mean_points",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Standing]:
        """The rows that count: what a rebuild is making beside them is nobody's business."""
        return super().get_queryset(request).filter(build=rebuild.current().build)

    @display(description=_("points a trial"))
    def mean_points(self, row: Standing) -> str:
        return f"{row.points_milli / row.trials / 1000:.3f}" if row.trials else "–"

    @action(description=_("Board"), url_path="board", icon="trophy", permissions=["view"])
    def board(self, request: HttpRequest) -> HttpResponse:
        """The board as it is public, with the way to each player's rows."""
        rows = standings.board()  # so that what the filters offer is known
        task_types, model_versions = live.known_values()
        form = BoardForm(
            request.GET, task_types=task_types[:100], model_versions=model_versions[:100]
        )
        del form.fields["player"]
        for field in form.fields.values():
            if isinstance(field.widget, forms.Select):
                field.widget = UnfoldAdminSelectWidget(choices=field.widget.choices)
            else:
                field.widget.attrs["class"] = " ".join(INPUT_CLASSES)
        return self.page(
            request,
            "admin/leaderboard/board.html",
            title=_("Board"),
            form=form,
            rows=standings.board(**form.filters()) if request.GET else rows,
            off=PlayerHold.objects.exclude(state=HoldState.RELEASED).count(),
            holds_url=reverse("admin:leaderboard_playerhold_changelist"),
        )


class DecisionForm(forms.Form):
    reason = forms.CharField(
        label=_("Why"),
        max_length=300,
        help_text=_("Kept with the decision, for whoever asks later."),
        widget=UnfoldAdminTextInputWidget,
    )


VERBS = {
    HoldState.RELEASED: _("Release to the board"),
    HoldState.HIDDEN: _("Hide from the board"),
    HoldState.HELD: _("Hold back again"),
}
TONES = {"held": "warn", "released": "good", "hidden": "bad"}


@admin.register(PlayerHold)
class PlayerHoldAdmin(DeskAdmin):
    list_display = ("user_id", "shown_state", "reason", "created_at", "decided_by", "decided_at")
    list_filter = ("state", ("created_at", DaysFilter))
    list_select_related = ("decided_by",)
    search_fields = ("user_id", "reason", "decision_note")
    search_help_text = _("Part of a player's id, of the reason or of the decision.")
    ordering = ("-created_at",)
    empty_text = _("Nobody is held back: no player's trials looked odd.")
    actions = ("release", "hide", "hold_again")
    actions_detail = ("release_one", "hide_one")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A player whose trials look odd is absent from the board until a person "
                    "decides. Release: back on the board at once. Hide: off for good. The events "
                    "are kept and exported either way."
                ),
                "fields": ("user_id", "shown_state", "reason", "shown_evidence", "see"),
            },
        ),
        (
            _("Decision"),
            {"fields": ("created_at", "decided_by", "decided_at", "decision_note")},
        ),
    )
    add_fieldsets = (
        (
            None,
            {
                "description": _("The player leaves the board at once, until somebody decides."),
                "fields": ("user_id", "reason"),
            },
        ),
    )
    readonly_fields = ("shown_state", "shown_evidence", "see")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Fields are not edited: a decision with a reason changes a hold."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("leaderboard.change_playerhold")

    @labelled(_("state"), TONES, ordering="state")
    def shown_state(self, row: PlayerHold) -> tuple[str, Any]:
        return row.state, row.get_state_display()

    @display(description=_("evidence"))
    def shown_evidence(self, row: PlayerHold) -> SafeString | str:
        return pretty(row.evidence)

    @display(description=_("look at"))
    def see(self, row: PlayerHold) -> SafeString:
        return format_html(
            '<a class="ng-link" href="{}?user_id__exact={}">{}</a>',
            reverse("admin:leaderboard_standing_changelist"),
            row.user_id,
            _now("the player's standings"),
        )

    # --- Deciding -----------------------------------------------------------------------------

    @action(description=_("Release, with a reason"), permissions=["decide"])
    def release(self, request: HttpRequest, queryset: QuerySet[PlayerHold]) -> Any:
        return self._decide(request, queryset, HoldState.RELEASED, "release")

    @action(description=_("Hide, with a reason"), permissions=["decide"])
    def hide(self, request: HttpRequest, queryset: QuerySet[PlayerHold]) -> Any:
        return self._decide(request, queryset, HoldState.HIDDEN, "hide")

    @action(description=_("Hold again, with a reason"), permissions=["decide"])
    def hold_again(self, request: HttpRequest, queryset: QuerySet[PlayerHold]) -> Any:
        return self._decide(request, queryset, HoldState.HELD, "hold_again")

    @action(description=_("Release"), url_path="release", icon="check", permissions=["decide"])
    def release_one(self, request: HttpRequest, object_id: str) -> Any:
        return self._decide_one(request, object_id, HoldState.RELEASED)

    @action(description=_("Hide"), url_path="hide", icon="visibility_off", permissions=["decide"])
    def hide_one(self, request: HttpRequest, object_id: str) -> Any:
        return self._decide_one(request, object_id, HoldState.HIDDEN)

    def _decide_one(self, request: HttpRequest, object_id: str, state: HoldState) -> Any:
        hold = self.found(request, object_id)
        form = DecisionForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._apply(request, [hold], state, form.cleaned_data["reason"])
            return redirect(self.url("change", hold.pk))
        return self.page(
            request,
            "admin/desk/form.html",
            title=VERBS[state],
            obj=hold,
            form=form,
            submit_label=_("Decide"),
            tone=_tone(state),
        )

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[PlayerHold], state: HoldState, name: str
    ) -> Any:
        """Ask for the reason first: the form comes back to the same action with it."""
        form = DecisionForm(request.POST if "confirmed" in request.POST else None)
        chosen = list(queryset)
        if form.is_valid():
            self._apply(request, chosen, state, form.cleaned_data["reason"])
            return None
        return self.ask(
            request,
            chosen,
            action=name,
            form=form,
            title=VERBS[state],
            submit_label=_("Decide"),
            tone=_tone(state),
        )

    def _apply(
        self, request: HttpRequest, chosen: list[PlayerHold], state: HoldState, reason: str
    ) -> None:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        done = 0
        for hold in chosen:
            if hold.state != state and holds.decide(
                hold, state=state, by=request.user, reason=reason
            ):
                audit.note(request, hold, f"{state.value}: {reason}")
                done += 1
        left = len(chosen) - done
        if done:
            text = ngettext("Decided about %d player.", "Decided about %d players.", done)
            self.message_user(request, text % done, messages.SUCCESS)
        if left:
            text = ngettext(
                "%d player was in this state already.",
                "%d players were in this state already.",
                left,
            )
            self.message_user(request, text % left, messages.INFO)


def _tone(state: HoldState) -> str:
    return "danger" if state == HoldState.HIDDEN else "primary"


def _held(request: HttpRequest) -> list[Section]:
    if not request.user.has_perm("leaderboard.view_playerhold"):
        return []
    held = PlayerHold.objects.filter(state=HoldState.HELD).count()
    url = reverse("admin:leaderboard_playerhold_changelist")
    card = Card(
        _now("Players held back"),
        held,
        _now("Absent from the board until somebody decides."),
        f"{url}?state__exact={HoldState.HELD.value}",
        "warn" if held else "good",
    )
    return [Section(title=_now("Game"), order=21, cards=[card])]


dashboard.register("leaderboard", _held)
