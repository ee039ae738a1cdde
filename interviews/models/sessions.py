"""Invites, consents and interview sessions."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from interviews.models.people import User


class Track(models.TextChoices):
    ALGORITHMS = "algorithms", _("Algorithms")
    BACKEND = "backend", _("Backend")
    DATA = "data", _("Data")


class Level(models.TextChoices):
    JUNIOR = "junior", _("Junior")
    MIDDLE = "middle", _("Middle")
    SENIOR = "senior", _("Senior")

    @property
    def minutes(self) -> int:
        """How long an interview of this level lasts, without a time factor."""
        return {"junior": 60, "middle": 75, "senior": 90}[self.value]


LOCALES = [("en", _("English")), ("ru", _("Russian"))]


def new_token() -> str:
    return secrets.token_urlsafe(24)


class InviteQuerySet(models.QuerySet["Invite"]):
    def for_recruiter(self, user: User) -> Self:
        return self if user.is_superuser else self.filter(team__members=user)

    def open(self, now: datetime | None = None) -> Self:
        now = now or timezone.now()
        return self.filter(revoked_at=None, used_at=None).filter(
            Q(expires_at=None) | Q(expires_at__gt=now)
        )


class Invite(models.Model):
    """A link that fixes track, level, time factor and team of one interview."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    team = models.ForeignKey(
        "interviews.Team", models.PROTECT, related_name="invites", verbose_name=_("team")
    )
    email = models.EmailField(
        _("e-mail"), blank=True, help_text=_("The link is mailed here; empty: copy it yourself.")
    )
    candidate_name = models.CharField(_("candidate"), max_length=120, blank=True)
    track = models.CharField(_("track"), max_length=20, choices=Track)
    level = models.CharField(_("level"), max_length=10, choices=Level)
    locale = models.CharField(_("language"), max_length=5, choices=LOCALES, default="en")
    time_factor = models.DecimalField(
        _("time factor"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("1"),
        validators=[MinValueValidator(Decimal("1")), MaxValueValidator(Decimal("4"))],
        help_text=_("1.5 gives half as much time again, for an accommodation."),
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="invites_made",
        verbose_name=_("made by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    sent_at = models.DateTimeField(_("mailed"), null=True, editable=False)
    send_error = models.CharField(_("mail failed"), max_length=300, blank=True, editable=False)
    used_at = models.DateTimeField(_("used"), null=True, editable=False)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="invites_used",
        verbose_name=_("used by"),
    )
    revoked_at = models.DateTimeField(_("withdrawn"), null=True, editable=False)

    objects = InviteQuerySet.as_manager()

    class Meta:
        verbose_name = _("invite")
        verbose_name_plural = _("invites")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.candidate_name or self.email or str(self.pk)

    @property
    def link(self) -> str:
        return f"{settings.PUBLIC_URL}/interview/?invite={self.token}"

    def is_open(self, now: datetime | None = None) -> bool:
        now = now or timezone.now()
        expired = self.expires_at is not None and self.expires_at <= now
        return not (self.used_at or self.revoked_at or expired)


class SessionState(models.TextChoices):
    ACTIVE = "active", pgettext_lazy("interview", "active")
    PAUSED = "paused", _("paused")
    FINISHED = "finished", _("finished")


class FinishReason(models.TextChoices):
    CANDIDATE = "candidate", _("finished by the candidate")
    TIME = "time", _("out of time")
    RECRUITER = "recruiter", _("ended by a recruiter")


class SessionQuerySet(models.QuerySet["InterviewSession"]):
    def for_candidate(self, user: User) -> Self:
        return self.filter(candidate=user)

    def for_recruiter(self, user: User) -> Self:
        return self if user.is_superuser else self.filter(team__members=user)

    def running(self, now: datetime | None = None) -> Self:
        """Not finished by anyone, and not past their end (a paused one has no end yet)."""
        now = now or timezone.now()
        return self.exclude(state=SessionState.FINISHED).filter(
            Q(state=SessionState.PAUSED) | Q(ends_at__gt=now)
        )

    def overdue(self, now: datetime | None = None) -> Self:
        """Past their end but not closed yet: what the sweep closes."""
        now = now or timezone.now()
        return self.filter(state=SessionState.ACTIVE, ends_at__lte=now)


class InterviewSession(models.Model):
    """One interview of one candidate. Its state is derived from the clock on every read."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    candidate = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="interviews",
        verbose_name=_("candidate"),
    )
    team = models.ForeignKey(
        "interviews.Team",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="sessions",
        verbose_name=_("team"),
    )
    invite = models.OneToOneField(
        Invite,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="session",
        verbose_name=_("invite"),
    )
    track = models.CharField(_("track"), max_length=20, choices=Track)
    level = models.CharField(_("level"), max_length=10, choices=Level)
    locale = models.CharField(_("language"), max_length=5, choices=LOCALES, default="en")
    time_factor = models.DecimalField(
        _("time factor"), max_digits=3, decimal_places=2, default=Decimal("1")
    )
    state = models.CharField(
        _("state"), max_length=10, choices=SessionState, default=SessionState.ACTIVE
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    ends_at = models.DateTimeField(_("ends"))
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    finish_reason = models.CharField(
        _("how it ended"), max_length=12, choices=FinishReason, blank=True
    )
    theta = models.FloatField(_("ability"), default=0.0, help_text=_("EAP under the 2PL model."))
    theta_se = models.FloatField(_("standard error"), default=1.0)
    stop_reason = models.CharField(
        _("why no more tasks"),
        max_length=10,
        blank=True,
        help_text=_("precise, time, bank, length or ended"),
    )
    needs_review = models.BooleanField(
        _("needs review"),
        default=False,
        help_text=_("A strong integrity signal came in; a person should look."),
    )

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("interview")
        verbose_name_plural = _("interviews")
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["state", "ends_at"]),
            models.Index(fields=["candidate", "state"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("started_at")), name="session_has_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.candidate} · {self.get_track_display()} · {self.get_level_display()}"

    def current_state(self, now: datetime | None = None) -> str:
        """The state by the clock: a session past its end is finished, swept or not."""
        now = now or timezone.now()
        if self.state == SessionState.ACTIVE and self.ends_at <= now:
            return SessionState.FINISHED
        return self.state

    def is_active(self, now: datetime | None = None) -> bool:
        return self.current_state(now) == SessionState.ACTIVE

    def ended_at(self, now: datetime | None = None) -> datetime | None:
        """When it ended: by hand, or by its clock; None while it runs."""
        if self.current_state(now) != SessionState.FINISHED:
            return None
        return self.finished_at or self.ends_at

    def within_grace(self, grace: timedelta, now: datetime | None = None) -> bool:
        """Whether it runs, or ended at most `grace` ago (drafts, anti-cheat)."""
        now = now or timezone.now()
        ended = self.ended_at(now)
        return ended is None or now <= ended + grace

    def seconds_left(self, now: datetime | None = None) -> float:
        now = now or timezone.now()
        if self.current_state(now) == SessionState.FINISHED:
            return 0.0
        return (self.ends_at - (self.paused_at or now)).total_seconds()


class Consent(models.Model):
    """What a candidate agreed to, by the version of the text, or who claims to have asked."""

    CURRENT = "2026-11"

    session = models.OneToOneField(
        InterviewSession, models.CASCADE, related_name="consent", verbose_name=_("interview")
    )
    version = models.CharField(_("version"), max_length=40)
    signals = models.BooleanField(_("signals"), default=True)
    video = models.BooleanField(_("video"), default=False)
    taken_by = models.CharField(
        _("taken by"),
        max_length=200,
        help_text=_("`candidate` on our page; else the client that took it, by its User-Agent."),
    )
    given_at = models.DateTimeField(pgettext_lazy("consent", "given"), auto_now_add=True)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")

    def __str__(self) -> str:
        return f"{self.version}: {'+' if self.signals else '-'}signals"
