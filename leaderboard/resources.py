"""What an export of standings holds: the integer sums, and what they mean."""

from __future__ import annotations

from import_export import fields, resources

from leaderboard.models import Standing


class StandingResource(resources.ModelResource):
    mean_points = fields.Field(column_name="mean_points")
    mean_rt_ms = fields.Field(column_name="mean_rt_ms")

    class Meta:
        model = Standing
        name = "Standings"
        fields = (
            "user_id", "task_type", "model_version", "day", "rule_version", "trials", "correct",
            "timeouts", "excluded", "rt_count", "rt_sum_ms", "rt_sq_sum", "points_milli",
            "points_sq", "mean_points", "mean_rt_ms",
        )  # fmt: skip
        export_order = fields

    def dehydrate_mean_points(self, row: Standing) -> float | None:
        """Points a trial, from -1 to 1."""
        return round(row.points_milli / row.trials / 1000, 4) if row.trials else None

    def dehydrate_mean_rt_ms(self, row: Standing) -> float | None:
        return round(row.rt_sum_ms / row.rt_count, 1) if row.rt_count else None
