"""The columns of the export of standings, for the data dictionary."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from neurogame.dictionary import Table, register
from telemetry.columns import sheet

STANDINGS = register(
    Table(
        slug="standings",
        title=_("Standings"),
        about=_(
            "Sums over the trials of one player, task type, model version and day. "
            "An export of the admin's list."
        ),
        where="/admin/leaderboard/standing/",
        formats={"csv": "CSV", "xlsx": "XLSX", "json": "JSON"},
        columns=(
            sheet("user_id", _("The player's pseudonym as sent."), "text", example="u_42"),
            sheet("task_type", _("Kind of task: `payload.task_type`, else `default`."), "text",
                  example="stroop"),
            sheet("model_version", _("The model that chose the difficulty."), "text",
                  nullable=True, example="baseline_v1"),
            sheet("day", _("Day of the trials, by their effective time."), "date", unit="UTC",
                  example="2026-02-17"),
            sheet("rule_version", _("Version of the scoring rule that made the sums."), "integer",
                  example="1"),
            sheet("trials", _("Trials that were scored."), "integer", example="40"),
            sheet("correct", _("Trials answered correctly."), "integer", example="31"),
            sheet("timeouts", _("Trials without a response in time."), "integer", example="2"),
            sheet("excluded", _("Trials that were too fast to be scored."), "integer",
                  example="1"),
            sheet("rt_count", _("Responses whose time counted."), "integer", example="37"),
            sheet("rt_sum_ms", _("Sum of their response times."), "integer", unit=_("ms"),
                  example="31450"),
            sheet("rt_sq_sum", _("Sum of the squares of their response times."), "integer",
                  unit=_("ms²"), example="28764300"),
            sheet("points_milli", _("Sum of the points."), "integer", unit=_("thousandths"),
                  example="14200"),
            sheet("points_sq", _("Sum of the squares of the points."), "integer",
                  unit=_("millionths"), example="9120000"),
            sheet("mean_points", _("Points a trial, from -1 to 1."), "number", nullable=True,
                  example="0.355"),
            sheet("mean_rt_ms", _("Mean response time."), "number", unit=_("ms"), nullable=True,
                  example="850.0"),
        ),
    )
)  # fmt: skip
