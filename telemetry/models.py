"""Records of the telemetry room: events, what was refused, keys, signals, model versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self, now: datetime | None = None) -> Self:
        now = now or timezone.now()
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=now))


class ApiKey(models.Model):
    """A key of a game or an analyst. Only its hash is stored; the text is shown once."""

    name = models.CharField(_("name"), max_length=120, help_text=_("Who or what uses it."))
    prefix = models.CharField(
        _("begins with"), max_length=12, editable=False, help_text=_("To recognise a key by.")
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    can_ingest = models.BooleanField(_("ingest"), default=True, help_text=_("May send events."))
    can_export = models.BooleanField(
        _("export"),
        default=False,
        help_text=_("May read every event. Never in a key that is handed out with a game."),
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests a minute"), null=True, blank=True, help_text=_("Empty: no limit.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        verbose_name=_("made by"),
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    replaces = models.OneToOneField(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="replaced_by",
        verbose_name=_("replaces"),
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class GameEvent(models.Model):
    """An event as it was accepted. `raw` is the JSON object exactly as sent; rows never change."""

    seq = models.BigAutoField(primary_key=True)
    event_id = models.CharField(_("event"), max_length=128, unique=True)
    event_type = models.CharField(_("type"), max_length=64)
    event_ts = models.DateTimeField(_("time of the event"), null=True)
    effective_ts = models.DateTimeField(
        _("effective time"), help_text=_("The event's own time, or its arrival if that lay ahead.")
    )
    received_at = models.DateTimeField(_("received"), db_index=True)
    user_id = models.CharField(_("player"), max_length=128)
    session_id = models.CharField(_("game session"), max_length=128, blank=True)
    model_version = models.CharField(_("model version"), max_length=128, blank=True)
    client_version = models.CharField(_("client version"), max_length=128, blank=True)
    flags = models.CharField(
        _("flags"),
        max_length=200,
        blank=True,
        help_text=_("What was odd about it, comma-separated."),
    )
    raw = models.TextField(_("as sent"))
    api_key = models.ForeignKey(
        ApiKey,
        models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("key"),
        db_index=False,
        db_constraint=False,
        help_text=_("Empty: the key of the environment."),
    )

    class Meta:
        verbose_name = _("game event")
        verbose_name_plural = _("game events")
        ordering = ["seq"]
        indexes = [
            models.Index(fields=["user_id", "seq"], name="event_user_seq"),
            models.Index(fields=["event_type", "seq"], name="event_type_seq"),
        ]

    def __str__(self) -> str:
        return self.event_id


class QuarantinedEvent(models.Model):
    """What could not be stored as an event or signal: kept raw, with the reason."""

    class Source(models.TextChoices):
        GAME = "game", _("game")
        ANTICHEAT = "anticheat", _("anti-cheat")

    source = models.CharField(_("source"), max_length=10, choices=Source, default=Source.GAME)
    received_at = models.DateTimeField(_("received"), default=timezone.now, db_index=True)
    index = models.PositiveIntegerField(_("index"), help_text=_("Position in the batch, from 0."))
    reason = models.CharField(_("reason"), max_length=60, db_index=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    raw = models.TextField(_("raw JSON"))
    raw_digest = models.CharField(max_length=64, blank=True)
    client_version = models.CharField(_("client version"), max_length=128, blank=True)
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, verbose_name=_("key")
    )
    session = models.ForeignKey(
        "interviews.InterviewSession",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="quarantined_signals",
        verbose_name=_("interview"),
    )
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)

    class Meta:
        verbose_name = _("quarantined event")
        verbose_name_plural = _("quarantine")
        ordering = ["-received_at", "-id"]

    def __str__(self) -> str:
        return f"{self.reason} @{self.index}"


class EventConflict(models.Model):
    """The same `event_id` came again with other content; the first one was kept."""

    event = models.ForeignKey(
        GameEvent, models.CASCADE, related_name="conflicts", verbose_name=_("first")
    )
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    digest = models.CharField(max_length=64)
    raw = models.TextField(_("the later one"))
    client_version = models.CharField(_("client version"), max_length=128, blank=True)
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, verbose_name=_("key")
    )

    class Meta:
        verbose_name = _("event conflict")
        verbose_name_plural = _("event conflicts")
        ordering = ["-received_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["event", "digest"], name="conflict_recorded_once")
        ]

    def __str__(self) -> str:
        return str(self.event_id)


class Tombstone(models.Model):
    """That an event of this id was stored once and deleted since; see `tombstones`."""

    digest = models.UUIDField(primary_key=True)

    class Meta:
        verbose_name = _("tombstone")
        verbose_name_plural = _("tombstones")

    def __str__(self) -> str:
        return str(self.digest)


class EventPrune(models.Model):
    """A deletion of raw events: what for, how much, and since when the standings stand alone."""

    class Kind(models.TextChoices):
        AGE = "age", _("by age")
        PLAYER = "player", _("a player's data")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    before = models.DateTimeField(
        _("received before"), null=True, blank=True, help_text=_("In UTC, exclusive.")
    )
    event_type = models.CharField(_("type"), max_length=64, blank=True)
    player_digest = models.CharField(
        _("player"),
        max_length=64,
        blank=True,
        help_text=_("A keyed hash: whose data went can be checked, not read."),
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    finished_at = models.DateTimeField(
        _("finished"),
        null=True,
        blank=True,
        help_text=_("Empty: it runs, or was interrupted; the same command goes on with it."),
    )
    events = models.PositiveBigIntegerField(_("events"), default=0)
    conflicts = models.PositiveBigIntegerField(_("conflicts"), default=0)
    quarantined = models.PositiveBigIntegerField(_("quarantined"), default=0)
    standings_day = models.DateField(
        _("standings kept to"),
        null=True,
        blank=True,
        help_text=_(
            "The last day that deleted events count in: up to it the standings are kept as they "
            "are and cannot be rebuilt from events."
        ),
    )

    class Meta:
        verbose_name = _("deletion of events")
        verbose_name_plural = _("deletions of events")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.started_at:%Y-%m-%d %H:%M}"


class AntiCheatSignal(models.Model):
    """One signal from the candidate's page, with the client's time and ours."""

    session = models.ForeignKey(
        "interviews.InterviewSession",
        models.CASCADE,
        related_name="signals",
        verbose_name=_("interview"),
    )
    event_id = models.CharField(_("event"), max_length=128)
    type = models.CharField(_("type"), max_length=64)
    known = models.BooleanField(_("known type"), default=True)
    ts = models.DateTimeField(_("client's time"), null=True)
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    task_id = models.CharField(_("task"), max_length=64, blank=True)
    seq = models.BigIntegerField(_("number"), null=True, blank=True)
    payload = models.JSONField(_("payload"), default=dict)

    class Meta:
        verbose_name = _("integrity signal")
        verbose_name_plural = _("integrity signals")
        ordering = ["received_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["session", "event_id"], name="signal_stored_once")
        ]
        indexes = [models.Index(fields=["session", "type"])]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class Immutable(Exception):
    """What a registered model version says of itself never changes; the message says what to do."""


class ModelVersion(models.Model):
    """A model that the game serves or that training made. What it says of itself never changes.

    Status and notes may change, the fields of `CONTENT` only while `kind` is empty, that is, until
    training fills in a version that was merely seen in events. Triggers of migration 0003 hold the
    same in the database.
    """

    class Status(models.TextChoices):
        UNREGISTERED = "unregistered", _("seen in events, not registered")
        REGISTERED = "registered", _("registered")
        CHAMPION = "champion", _("champion")
        ARCHIVED = "archived", _("archived")

    BASELINE = "baseline"  # the kind of what the game served before any model was trained
    CONTENT = (
        "name", "kind", "metrics", "params", "manifest", "artefact", "card", "seed", "code_version",
        "snapshot_sha256",
    )  # fmt: skip

    name = models.CharField(_("name"), max_length=128, unique=True)
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.REGISTERED)
    kind = models.CharField(_("kind"), max_length=40, blank=True)
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    manifest = models.JSONField(
        _("manifest"),
        default=dict,
        blank=True,
        help_text=_("Snapshot, seed, configuration and code version it was made from."),
    )
    artefact = models.CharField(_("artefact"), max_length=500, blank=True)
    card = models.TextField(_("model card"), blank=True, help_text=_("Markdown, in English."))
    seed = models.BigIntegerField(_("seed"), null=True, blank=True)
    code_version = models.CharField(
        _("code version"),
        max_length=64,
        blank=True,
        help_text=_("SHA-256 of the training code that made it."),
    )
    snapshot_sha256 = models.CharField(
        _("snapshot"),
        max_length=64,
        blank=True,
        help_text=_("SHA-256 of the canonical rows that it was trained and tested on."),
    )
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    promoted_at = models.DateTimeField(
        _("champion since"),
        null=True,
        blank=True,
        help_text=_("When it last became the champion."),
    )
    notes = models.TextField(_("notes"), blank=True)

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=Q(status="champion"), name="one_champion"
            )
        ]
        permissions = [("override_gate", _("Can make a champion of what did not pass the gate"))]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises `Immutable` where content of a registered version would change."""
        stored = ModelVersion.objects.filter(pk=self.pk).first() if self.pk else None
        if stored is not None and stored.kind:
            written = kwargs.get("update_fields") or self.CONTENT
            for name in self.CONTENT:
                if name in written and getattr(stored, name) != getattr(self, name):
                    raise Immutable(
                        gettext("%(name)s is registered: its %(field)s never changes.")
                        % {"name": stored.name, "field": name}
                    )
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raises `Immutable`: events say which version they were played with."""
        if self.kind:
            raise Immutable(
                gettext("%(name)s is registered and is never deleted.") % {"name": self.name}
            )
        return super().delete(*args, **kwargs)


class GateResult(models.Model):
    """What the gate said of a version against one champion; `champion` null: the item mean."""

    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="gate_results", verbose_name=_("model version")
    )
    champion = models.ForeignKey(
        ModelVersion,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="challenges",
        verbose_name=_("champion"),
        help_text=_("Empty: there was none to beat but the item mean."),
    )
    passed = models.BooleanField(_("passed"))
    report = models.JSONField(_("report"), default=dict)
    judged_at = models.DateTimeField(_("judged"), default=timezone.now)

    class Meta:
        verbose_name = _("gate result")
        verbose_name_plural = _("gate results")
        ordering = ["-judged_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["version", "champion"], name="judged_once"),
            models.UniqueConstraint(
                fields=["version"], condition=Q(champion=None), name="judged_once_alone"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} / {self.champion or '-'}"
