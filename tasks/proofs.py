"""Records of proofs and of judging again: what was found out about the bank, and changed by it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ProofState(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    PASSED = "passed", _("passed")
    FAILED = "failed", _("failed")

    @classmethod
    def pending(cls) -> tuple[ProofState, ...]:
        return (cls.QUEUED, cls.RUNNING)


class Work(models.Model):
    """Something long that jobs do in slices: how far it is, who is at it, and since when nobody.

    A slice takes it by writing host, process and a token into `holder` and renews `heartbeat`; a
    holder that stopped doing so, or whose process is gone, has lost it, and another slice goes on.
    """

    done = models.PositiveIntegerField(_("done"), default=0)
    total = models.PositiveIntegerField(_("of"), default=0)
    holder = models.CharField(max_length=300, blank=True, editable=False)
    heartbeat = models.DateTimeField(_("last sign"), default=timezone.now)
    who = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("asked by"),
    )
    created_at = models.DateTimeField(_("asked"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        abstract = True


class Verification(Work):
    """A proof of one content of a task: its tests, programs, checker and limits, by `fingerprint`."""

    task = models.ForeignKey(
        "tasks.CodingTask",
        models.CASCADE,
        related_name="verifications",
        verbose_name=_("task"),
    )
    fingerprint = models.CharField(_("content"), max_length=64)
    state = models.CharField(
        _("state"), max_length=10, choices=ProofState, default=ProofState.QUEUED
    )
    publish = models.BooleanField(
        _("publish"), default=False, help_text=_("Make the task active when the proof passes.")
    )
    shipped = models.BooleanField(
        _("shipped"), default=False, help_text=_("Proven by those who made the bank.")
    )
    programs = models.PositiveIntegerField(_("programs"), default=0)
    mutants = models.PositiveIntegerField(_("mutants"), default=0)
    killed = models.PositiveIntegerField(_("mutants killed"), default=0)
    faults = models.JSONField(
        _("faults"), default=list, help_text=_("Why the task must not be published.")
    )
    findings = models.JSONField(
        _("findings"), default=list, help_text=_("What to look at: it keeps nothing back.")
    )
    failures = models.PositiveIntegerField(default=0, editable=False)
    detail = models.JSONField(_("record"), default=dict)

    class Meta:
        verbose_name = _("proof of tests")
        verbose_name_plural = _("proofs of tests")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["task"],
                condition=Q(state__in=("queued", "running")),
                name="one_proof_a_task",
            )
        ]
        indexes = [models.Index(fields=["task", "fingerprint", "state"], name="proof_of_content")]

    def __str__(self) -> str:
        return f"{self.task}: {self.get_state_display()}"

    @property
    def share(self) -> float | None:
        """Killed mutants of those that ran; None where there are none."""
        return self.killed / self.mutants if self.mutants else None


class Rejudge(Work):
    """Attempts that are judged again together, by what the task is now."""

    changed = models.PositiveIntegerField(_("verdicts changed"), default=0)
    reason = models.TextField(_("reason"))

    class Meta:
        verbose_name = _("rejudging")
        verbose_name_plural = _("rejudgings")
        ordering = ["-created_at"]
        permissions = [("rejudge_attempt", "Can judge attempts again")]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M} ({self.total})"


class Outcome(models.TextChoices):
    """What judging an attempt again led to."""

    WAITING = "waiting", _("waiting")
    SAME = "same", _("the same")
    CHANGED = "changed", _("changed")
    KEPT = "kept", _("kept: the judge failed")


class AttemptRejudge(models.Model):
    """An attempt judged again: what it was, and what it became."""

    rejudge = models.ForeignKey(
        Rejudge, models.CASCADE, related_name="rows", verbose_name=_("rejudging")
    )
    attempt = models.ForeignKey(
        "tasks.Attempt", models.CASCADE, related_name="rejudged", verbose_name=_("attempt")
    )
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=Outcome, default=Outcome.WAITING
    )
    old = models.JSONField(_("before"), default=dict)
    new = models.JSONField(_("after"), default=dict)
    at = models.DateTimeField(_("at"), null=True, blank=True)

    class Meta:
        verbose_name = _("attempt judged again")
        verbose_name_plural = _("attempts judged again")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["rejudge", "attempt"], name="attempt_rejudged_once")
        ]

    def __str__(self) -> str:
        return f"{self.attempt_id}: {_verdict(self.old)} -> {_verdict(self.new)}"


def _verdict(values: dict[str, Any]) -> str:
    return str(values.get("verdict") or "-")
