"""Standings: integer sums by player, task type, model, day and rule; and holds on players."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Board(models.Model):
    """What the standings are at: one row, touched by every change of them.

    `changed` counts changes; rows carry the number of theirs, so that whoever has read up to one
    number reads only what came after it. `born` tells the counter of one history from another's.
    `rule_version` and `build` name the rows that count: others are being built, or are left over.
    """

    id = models.PositiveSmallIntegerField(_("number"), primary_key=True, default=1)
    born = models.BigIntegerField(_("begun"), help_text=_("A time, in nanoseconds."))
    changed = models.BigIntegerField(_("changes"), default=1)
    rule_version = models.PositiveSmallIntegerField(_("rule version"), default=1)
    build = models.PositiveSmallIntegerField(_("build"), default=0)
    calibration = models.PositiveIntegerField(_("calibration"), default=0)
    stale = models.BooleanField(
        _("to be rebuilt"), default=False, help_text=_("The worker rebuilds them soon.")
    )
    unrated_seen = models.BigIntegerField(
        _("unrated trials"),
        default=0,
        editable=False,
        help_text=_("Unrated trials that the last calibration left."),
    )
    # A rebuild holds these as a lease, which it renews.
    rebuild_token = models.BigIntegerField(_("running rebuild"), default=0, editable=False)
    rebuild_until = models.DateTimeField(_("its lease"), null=True, editable=False)

    class Meta:
        verbose_name = _("state of the standings")
        verbose_name_plural = _("state of the standings")

    def __str__(self) -> str:
        return f"{self.rule_version}/{self.build} @{self.changed}"


class Tally(models.Model):
    """Integer sums over scored trials. Points are milli-points, difficulties milli-logits.

    Only integers, so that folding event by event equals a rebuild exactly.
    """

    user_id = models.CharField(_("player"), max_length=128)
    task_type = models.CharField(_("task type"), max_length=64)
    model_version = models.CharField(_("model version"), max_length=128, blank=True)
    rule_version = models.PositiveSmallIntegerField(_("rule version"))
    build = models.PositiveSmallIntegerField(_("build"), default=0)
    changed = models.BigIntegerField(_("change"), default=0)
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
    rated = models.PositiveBigIntegerField(_("trials of known difficulty"), default=0)
    rated_correct = models.PositiveBigIntegerField(_("of these correct"), default=0)
    unrated = models.PositiveBigIntegerField(_("trials of items not rated yet"), default=0)
    difficulty_sum = models.BigIntegerField(_("sum of difficulties, milli-logits"), default=0)
    difficulty_sq = models.PositiveBigIntegerField(_("sum of their squares"), default=0)
    difficulty_correct = models.BigIntegerField(
        _("sum of difficulties of the correct ones"), default=0
    )

    class Meta:
        abstract = True


class Standing(Tally):
    """The sums of one player, task type, model version, day (UTC) and rule version."""

    day = models.DateField(_("day"))

    class Meta:
        verbose_name = _("standing")
        verbose_name_plural = _("standings")
        ordering = ["user_id", "task_type", "model_version", "day"]
        constraints = [
            models.UniqueConstraint(
                fields=["user_id", "task_type", "model_version", "day", "rule_version", "build"],
                name="standing_cell",
            )
        ]
        indexes = [
            models.Index(fields=["rule_version", "build", "day"], name="standing_day"),
            models.Index(fields=["rule_version", "build", "changed"], name="standing_changed"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.task_type} {self.day}"


class Total(Tally):
    """The sums of one player, task type, model version and rule version over all days."""

    class Meta:
        verbose_name = _("total")
        verbose_name_plural = _("totals")
        ordering = ["user_id", "task_type", "model_version"]
        constraints = [
            models.UniqueConstraint(
                fields=["user_id", "task_type", "model_version", "rule_version", "build"],
                name="total_cell",
            )
        ]
        indexes = [models.Index(fields=["rule_version", "build", "changed"], name="total_changed")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.task_type}"


class PlaySession(models.Model):
    """From the first to the last trial of a player's session, in ms since 1970."""

    user_id = models.CharField(_("player"), max_length=128)
    session_id = models.CharField(_("game session"), max_length=128)
    rule_version = models.PositiveSmallIntegerField(_("rule version"))
    build = models.PositiveSmallIntegerField(_("build"), default=0)
    first_ms = models.BigIntegerField(_("first trial"))
    last_ms = models.BigIntegerField(_("last trial"))

    class Meta:
        verbose_name = _("play session")
        verbose_name_plural = _("play sessions")
        ordering = ["user_id", "first_ms"]
        constraints = [
            models.UniqueConstraint(
                fields=["user_id", "session_id", "rule_version", "build"], name="session_of_player"
            )
        ]
        indexes = [
            models.Index(fields=["user_id", "rule_version", "build", "last_ms"], name="session_end")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.session_id}"


class ItemDifficulty(models.Model):
    """The difficulty of an item that events only name, estimated once and then frozen."""

    task_type = models.CharField(_("task type"), max_length=64)
    item_id = models.CharField(_("item"), max_length=128)
    milli_logits = models.IntegerField(_("difficulty, milli-logits"))
    trials = models.PositiveBigIntegerField(_("trials it was estimated from"))
    correct = models.PositiveBigIntegerField(_("of these correct"))
    calibration = models.PositiveIntegerField(_("calibration"))
    frozen_at = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        verbose_name = _("item difficulty")
        verbose_name_plural = _("item difficulties")
        ordering = ["task_type", "item_id"]
        constraints = [
            models.UniqueConstraint(fields=["task_type", "item_id"], name="item_rated_once")
        ]

    def __str__(self) -> str:
        return f"{self.task_type}/{self.item_id}"


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
