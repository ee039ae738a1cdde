"""The filters of the board's page; the API has the same ones."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

LIMITS = (10, 50, 100, 500, 1000)


class BoardForm(forms.Form):
    window = forms.ChoiceField(
        label=_("Time"),
        required=False,
        choices=[("all", _("All time")), ("week", _("Last seven days")), ("day", _("Today (UTC)"))],
    )
    task_type = forms.CharField(label=_("Task type"), required=False, max_length=64)
    model_version = forms.CharField(label=_("Model version"), required=False, max_length=128)
    min_tasks = forms.IntegerField(
        label=_("At least this many trials"), required=False, min_value=0, max_value=1_000_000
    )
    limit = forms.TypedChoiceField(
        label=_("Players shown"),
        required=False,
        coerce=int,
        choices=[(number, number) for number in LIMITS],
    )
    player = forms.CharField(label=_("Find me: player id"), required=False, max_length=128)

    defaults = {"window": "all", "min_tasks": 30, "limit": 100}

    def __init__(self, data: Any, *, task_types: list[str], model_versions: list[str]) -> None:
        given = {name: data.get(name) for name in self.base_fields if name in data}
        super().__init__({**self.defaults, **given}, auto_id="board-%s", label_suffix="")
        for name, known in (("task_type", task_types), ("model_version", model_versions)):
            chosen = given.get(name) or ""
            values = [*known, *([chosen] if chosen and chosen not in known else [])]
            self.fields[name].widget = forms.Select(
                choices=[("", _("All")), *((value, value) for value in values)]
            )
        self.fields["min_tasks"].widget.attrs["inputmode"] = "numeric"

    def filters(self) -> dict[str, Any]:
        """What the standings are asked for; a field that is not right counts as not given."""
        self.is_valid()
        clean = self.cleaned_data
        min_tasks = clean.get("min_tasks")
        return {
            "window": clean.get("window") or "all",
            "task_type": clean.get("task_type") or None,
            "model_version": clean.get("model_version") or None,
            "min_tasks": self.defaults["min_tasks"] if min_tasks is None else min_tasks,
            "limit": clean.get("limit") or self.defaults["limit"],
        }

    @property
    def player_id(self) -> str:
        self.is_valid()
        return str(self.cleaned_data.get("player") or "")
