"""The conversation: messages, replies and the calls to a model behind them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    INTERVIEWER = "interviewer", _("interviewer")
    CANDIDATE = "candidate", _("candidate")


class MessageStatus(models.TextChoices):
    COMPLETE = "complete", _("complete")
    PENDING = "pending", _("pending")
    ERROR = "error", _("failed")


class MessageKind(models.TextChoices):
    CHAT = "chat", _("chat")
    GREETING = "greeting", _("greeting")
    TASK = "task", _("a new task")
    VERDICT = "verdict", _("after a verdict")
    PROOF = "proof", _("proof of understanding")
    CLOSING = "closing", _("closing")


class Message(models.Model):
    """One message of an interview. A pending reply is leased by the process that streams it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    seq = models.BigIntegerField(
        _("number"), help_text=_("Order within the interview, from 1 without repeats.")
    )
    session = models.ForeignKey(
        "interviews.InterviewSession",
        models.CASCADE,
        related_name="messages",
        verbose_name=_("interview"),
    )
    role = models.CharField(_("role"), max_length=12, choices=Role)
    kind = models.CharField(_("kind"), max_length=10, choices=MessageKind, default=MessageKind.CHAT)
    text = models.TextField(_("text"), blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=MessageStatus, default=MessageStatus.COMPLETE
    )
    reply_to = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="replies",
        verbose_name=_("answers"),
    )
    client_message_id = models.CharField(max_length=128, null=True, blank=True)
    source = models.CharField(
        _("source"), max_length=10, blank=True, help_text=_("llm or scripted, of a reply")
    )
    model = models.CharField(_("model"), max_length=120, blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    retryable = models.BooleanField(_("retryable"), default=False)
    task_id = models.UUIDField(null=True, blank=True)
    meta = models.JSONField(
        _("details"),
        default=dict,
        blank=True,
        help_text=_("What the interviewer did: hint given, verdict reacted to."),
    )
    published_seq = models.IntegerField(
        default=0, help_text=_("Deltas of this reply that were published already.")
    )
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["session", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["session", "seq"], name="message_order"),
            models.UniqueConstraint(
                fields=["session", "client_message_id"],
                condition=Q(client_message_id__isnull=False),
                name="message_sent_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "lease_until"],
                condition=Q(status="pending"),
                name="message_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.text[:60]}"


class LLMCall(models.Model):
    """One call to a model: what it cost, how long it took, how it ended. No content, no key."""

    session = models.ForeignKey(
        "interviews.InterviewSession",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="llm_calls",
        verbose_name=_("interview"),
    )
    message = models.ForeignKey(
        Message,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="llm_calls",
        verbose_name=_("reply"),
    )
    purpose = models.CharField(_("purpose"), max_length=40)
    model = models.CharField(_("model"), max_length=120)
    prompt_version = models.CharField(_("prompt version"), max_length=40)
    attempt = models.PositiveSmallIntegerField(_("try"), default=1)
    prompt_tokens = models.PositiveIntegerField(_("prompt tokens"), null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(_("completion tokens"), null=True, blank=True)
    first_token_ms = models.PositiveIntegerField(_("first token, ms"), null=True, blank=True)
    latency_ms = models.PositiveIntegerField(_("latency, ms"), default=0)
    outcome = models.CharField(
        _("outcome"),
        max_length=40,
        help_text=_("ok, or the failure: timeout, rate_limited, refused, truncated ..."),
    )
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("model call")
        verbose_name_plural = _("model calls")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.model} {self.outcome}"
