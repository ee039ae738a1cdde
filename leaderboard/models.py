"""Standings: integer sums by player, task type, model, day and rule; and holds on players."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Standing(models.Model):
    """Sums over the scored trials of one player in one cell. Points are milli-points.

    Only integers, so that folding event by event equals a rebuild exactly.
    """

    user_id = models.CharField(_("player"), max_length=128)
    task_type = models.CharField(_("task type"), max_length=64)
    model_version = models.CharField(_("model version"), max_length=128, blank=True)
    day = models.DateField(_("day"))
    rule_version = models.PositiveSmallIntegerField(_("rule version"))
    trials = models.PositiveBigIntegerField(_("trials"), default=0)
    correct = models.PositiveBigIntegerField(_("correct"), default=0)
    timeouts = models.PositiveBigIntegerField(_("timeouts"), default=0)
    excluded = models.PositiveBigIntegerField(
        _("too fast"), default=0, help_text=_("Under 150 ms: counted, not scored.")
    )
    rt_count = models.PositiveBigIntegerField(_("responses"), default=0)
    rt_sum_ms = models.PositiveBigIntegerField(_("sum of response times, ms"), default=0)
    rt_sq_sum = models.PositiveBigIntegerField(_("sum of their squares"), default=0)
    points_milli = models.BigIntegerField(_("points, milli"), default=0)
    points_sq = models.PositiveBigIntegerField(_("sum of squared milli-points"), default=0)

    class Meta:
        verbose_name = _("standing")
        verbose_name_plural = _("standings")
        ordering = ["user_id", "task_type", "model_version", "day"]
        constraints = [
            models.UniqueConstraint(
                fields=["user_id", "task_type", "model_version", "day", "rule_version"],
                name="standing_cell",
            )
        ]
        indexes = [models.Index(fields=["rule_version", "day"])]

    def __str__(self) -> str:
        return f"{self.user_id} {self.task_type} {self.day}"


class HoldState(models.TextChoices):
    HELD = "held", _("held for review")
    RELEASED = "released", _("released")
    HIDDEN = "hidden", _("hidden")


class PlayerHold(models.Model):
    """A player whose play is held back from the board until a person decides."""

    user_id = models.CharField(_("player"), max_length=128, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=HoldState, default=HoldState.HELD)
    reason = models.CharField(_("reason"), max_length=300)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    created_at = models.DateTimeField(_("since"), default=timezone.now)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True, editable=False)
    decision_note = models.CharField(_("why"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("player hold")
        verbose_name_plural = _("player holds")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.get_state_display()}"
