"""Model versions: what the game says it serves, what training made, and who is champion."""

from __future__ import annotations

from typing import Any

import nh3
from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from markdown_it import MarkdownIt
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from neurogame import audit
from neurogame.desk import EMPTY, DeskAdmin, labelled, pretty
from telemetry.models import GateResult, ModelVersion
from telemetry.training import calibration, card, champions, gate, registry

TONES = {
    "unregistered": "warn",
    "registered": "info",
    "champion": "good",
    "archived": "",
}
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


class ChampionForm(forms.Form):
    reason = forms.CharField(
        label=_("Why"),
        max_length=300,
        help_text=_("Kept in the history of the version, for whoever asks later."),
        widget=UnfoldAdminTextInputWidget,
    )


class OverrideForm(ChampionForm):
    override = forms.BooleanField(
        label=_("Make it the champion although it has not passed the gate"),
        widget=UnfoldBooleanWidget,
    )


@admin.register(ModelVersion)
class ModelVersionAdmin(DeskAdmin):
    list_display = (
        "name", "shown_status", "kind", "shown_gate", "auc", "log_loss", "ece", "created_at",
    )  # fmt: skip
    list_filter = ("status", "kind")
    search_fields = ("name", "notes")
    search_help_text = _("Part of a name or of the notes.")
    actions = ("register_versions",)
    actions_detail = ("make_champion",)
    change_form_before_template = "admin/telemetry/modelversion/quality.html"
    empty_text = _("No model version yet. `manage.py train` registers one.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A version that turned up in events without being known here is listed as "
                    "unregistered: check with whoever ships the game, then register it. Only the "
                    "notes can be edited; metrics and parameters never change."
                ),
                "fields": ("name", "shown_status", "kind", "promoted_at", "notes"),
            },
        ),
        (
            _("What it was made from"),
            {"fields": ("snapshot_sha256", "seed", "code_version", "artefact")},
        ),
        (
            _("Everything, as JSON"),
            {
                "fields": ("shown_metrics", "shown_params", "shown_manifest"),
                "classes": ["collapse"],
            },
        ),
        (_("When"), {"fields": ("first_seen_at", "created_at")}),
    )
    readonly_fields = (
        "name",
        "shown_status",
        "kind",
        "promoted_at",
        "snapshot_sha256",
        "seed",
        "code_version",
        "shown_metrics",
        "shown_params",
        "shown_manifest",
        "artefact",
        "first_seen_at",
        "created_at",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_promote_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """To make a champion of what passed the gate, or was the champion before."""
        return request.user.has_perm("telemetry.change_modelversion")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        """With what the gate said of each against today's champion."""
        verdict = GateResult.objects.filter(
            version=OuterRef("pk"), champion=registry.opponent()
        ).values("passed")[:1]
        return super().get_queryset(request).annotate(gate_passed=Subquery(verdict))

    # --- The list -----------------------------------------------------------------------------

    @labelled(_("status"), TONES, ordering="status")
    def shown_status(self, row: ModelVersion) -> tuple[str, Any]:
        return row.status, row.get_status_display()

    @labelled(_("gate"), {"passed": "good", "failed": "bad"}, ordering="gate_passed")
    def shown_gate(self, row: Any) -> tuple[str, str] | None:
        if row.gate_passed is None:
            return None
        return ("passed", _now("passed")) if row.gate_passed else ("failed", _now("not passed"))

    @display(description="AUC")
    def auc(self, row: ModelVersion) -> str:
        return _metric(row, "auc")

    @display(description=_("log-loss"))
    def log_loss(self, row: ModelVersion) -> str:
        return _metric(row, "log_loss")

    @display(description="ECE")
    def ece(self, row: ModelVersion) -> str:
        return _metric(row, "ece")

    # --- The page -----------------------------------------------------------------------------

    @display(description=_("metrics"))
    def shown_metrics(self, row: ModelVersion) -> SafeString | str:
        return pretty(row.metrics)

    @display(description=_("parameters"))
    def shown_params(self, row: ModelVersion) -> SafeString | str:
        return pretty(row.params)

    @display(description=_("manifest"))
    def shown_manifest(self, row: ModelVersion) -> SafeString | str:
        return pretty(row.manifest)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        version = self.get_object(request, object_id) if object_id else None
        context = {} if version is None else {"quality": quality(version)}
        return super().changeform_view(
            request, object_id, form_url, context | (extra_context or {})
        )

    # --- Champions ----------------------------------------------------------------------------

    @action(
        description=_("Make it the champion"),
        url_path="champion",
        icon="trophy",
        permissions=["promote"],
    )
    def make_champion(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the game play with this version, after a reason was given."""
        version = self.found(request, object_id)
        back = redirect(self.url("change", version.pk))
        problem = champions.obstacle(version)
        returns = champions.was_champion(version)
        passes = returns or champions.has_passed(version)
        if not problem and not passes and not request.user.has_perm("telemetry.override_gate"):
            problem = _now("It has not passed the gate against today's champion. %(why)s") % {
                "why": _why_not(version)
            }
        if problem:
            self.message_user(request, problem, messages.ERROR)
            return back
        data = request.POST if request.method == "POST" else None
        form = (ChampionForm if passes else OverrideForm)(data)
        if form.is_valid():
            try:
                champions.make_champion(
                    request,
                    version,
                    reason=form.cleaned_data["reason"],
                    override=form.cleaned_data.get("override", False),
                )
            except champions.ChampionError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                text = _now("%(name)s is the champion: the game gets it within a second.")
                self.message_user(request, text % {"name": version.name}, messages.SUCCESS)
            return back
        current = registry.champion()
        if returns:
            intro = _now("It was the champion before, so this is a rollback and needs no gate.")
        elif passes:
            intro = _now("It has passed the gate against today's champion.")
        else:
            intro = _now("It has not passed the gate against today's champion. %(why)s") % {
                "why": _why_not(version)
            }
        if current is not None:
            replaced = _now("It replaces %(name)s, which is archived and can be rolled back to.")
            intro += " " + replaced % {"name": current.name}
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Roll back to it") if returns else _("Make it the champion"),
            obj=version,
            form=form,
            intro=intro,
            tone="primary" if passes else "danger",
            submit_label=_("Roll back") if returns else _("Make it the champion"),
        )

    @action(description=_("Register"), permissions=["change"])
    def register_versions(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        """Accept versions that were only seen in events."""
        status = ModelVersion.Status
        names = list(queryset.filter(status=status.UNREGISTERED).values_list("name", flat=True))
        done = ModelVersion.objects.filter(name__in=names, status=status.UNREGISTERED).update(
            status=status.REGISTERED
        )
        if not done:
            self.message_user(request, _("All of these were registered already."), messages.INFO)
            return
        audit.note(request, ModelVersion, f"Registered {', '.join(names)}"[:1000])
        text = ngettext("%d version was registered.", "%d versions were registered.", done)
        self.message_user(request, text % done, messages.SUCCESS)


def quality(version: ModelVersion) -> dict[str, Any]:
    """How good a version is, for its page: the gate, the champion beside it, plot and card."""
    champion = registry.champion()
    opponent = registry.opponent()
    verdicts = list(version.gate_results.select_related("champion"))
    rival = champion if champion is not None and champion.pk != version.pk else None
    return {
        "version": version,
        "max_ece": gate.MAX_ECE,
        "min_players": gate.MIN_PLAYERS,
        "trained": bool(version.card),
        "verdicts": [
            {
                "against": row.champion,
                "passed": row.passed,
                "judged_at": row.judged_at,
                "gain": card.interval(row.report["gain"], sign=True),
                "ece": row.report["ece"],
                "reasons": card.reasons(row.report),
                "today": row.champion_id == (None if opponent is None else opponent.pk),
            }
            for row in verdicts
        ],
        "champion": rival,
        "opponent": opponent,
        "judged_today": any(
            row.champion_id == (None if opponent is None else opponent.pk) for row in verdicts
        ),
        "rows": [] if rival is None else _beside(version, rival),
        "same_test": rival is not None
        and rival.manifest.get("split") == version.manifest.get("split"),
        **_drawn(version),
    }


def _beside(version: ModelVersion, rival: ModelVersion) -> list[tuple[str, str, str]]:
    titles = {
        "auc": "AUC",
        "log_loss": _now("log-loss"),
        "brier": _now("Brier score"),
        "ece": "ECE",
    }
    return [(title, _metric(version, name), _metric(rival, name)) for name, title in titles.items()]


def _drawn(version: ModelVersion) -> dict[str, Any]:
    """Plot and card in the language of the reader; empty for what training did not make."""
    if not version.card:
        return {"plot": "", "card": ""}
    text = card.render(
        name=version.name, kind=version.kind, metrics=version.metrics, manifest=version.manifest
    )
    plot = calibration.svg(version.metrics["models"][version.kind]["reliability"])
    # Both are made here: names are escaped as Markdown and the HTML is sanitised, the plot has none.
    return {
        "plot": mark_safe(plot),  # noqa: S308
        "card": mark_safe(nh3.clean(_markdown.render(text))),  # noqa: S308
    }


def _metric(version: ModelVersion, name: str) -> str:
    """A metric of the version's own model; a dash where it is not known."""
    try:
        return f"{version.metrics['models'][version.kind][name]['value']:.4f}"
    except (KeyError, TypeError, ValueError):
        return EMPTY


def _why_not(version: ModelVersion) -> str:
    """Why the gate did not let it pass, as a sentence."""
    found = registry.verdict(version, registry.opponent())
    if found is None:
        return _now("It was not judged against it: train once more from the same snapshot.")
    reasons = "; ".join(card.reasons(found.report))
    return _now("The reasons: %(reasons)s.") % {"reasons": reasons}
