"""Integrity of an interview: its records handed to `telemetry.integrity`, strong ones marked.

A mark asks a person to look; nothing else follows from it by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.dispatch import receiver

from interviews.models import InterviewSession
from tasks import offers
from tasks.models import Attempt
from tasks.signals import attempt_judged
from telemetry import integrity
from telemetry.integrity import Case, Integrity, Signal, Submission
from telemetry.integrity.clock import corrected, skew
from telemetry.models import AntiCheatSignal
from telemetry.signals import signals_stored

logger = logging.getLogger(__name__)

# Thousands of these in an hour; no rule reads what they say.
BULKY = ("edit", "keystroke_batch")
DECISIVE = {"paste", "devtools_suspected"}


def signals_of(session: InterviewSession) -> list[Signal]:
    """The signals of a session by our clock, in order; the bulky ones without their payload."""
    columns = ("event_id", "type", "task_id", "ts", "received_at")
    rows: list[dict[str, Any]] = [
        *session.signals.exclude(type__in=BULKY).values(*columns, "payload"),
        *session.signals.filter(type__in=BULKY).values(*columns),
    ]
    behind = skew((row["ts"], row["received_at"]) for row in rows)
    found = [
        Signal(
            id=row["event_id"],
            type=row["type"],
            at=corrected(row["ts"], row["received_at"], behind, not_before=session.started_at),
            task_id=row["task_id"],
            payload=_object(row.get("payload")),
        )
        for row in rows
    ]
    return sorted(found, key=lambda signal: signal.at)


def case_of(session: InterviewSession, signals: Iterable[Signal] | None = None) -> Case:
    """What is known of a session. A task's id is that of the coding task, as in the API."""
    assignments = session.assignments.select_related("task").prefetch_related(
        "task__translations", "attempts"
    )
    submissions, own_texts = [], []
    for assignment in assignments:
        task = assignment.task
        own_texts += [text.statement for text in task.translations.all()]
        own_texts += offers.starters(task, task.languages).values()
        for attempt in assignment.attempts.all():
            submissions.append(
                Submission(
                    id=str(attempt.pk),
                    task_id=str(task.pk),
                    at=attempt.created_at,
                    code=attempt.code,
                    label=f"{task.slug} #{attempt.number or '–'}",
                )
            )
    return Case(
        signals=tuple(signals_of(session) if signals is None else signals),
        submissions=tuple(submissions),
        own_texts=tuple(own_texts),
    )


def examine(session: InterviewSession) -> Integrity:
    """The findings of a session as it is now."""
    return integrity.examine(case_of(session))


def mark(session_id: Any, sources: Iterable[str]) -> bool:
    """Mark a session for review when a strong finding rests on one of `sources`, which are new.

    Older findings do not mark again what a person has reviewed already.
    """
    session = InterviewSession.objects.filter(pk=session_id, needs_review=False).first()
    if session is None:
        return False
    new = frozenset(sources)
    if not any(finding.sources & new for finding in examine(session).strong):
        return False
    return bool(
        InterviewSession.objects.filter(pk=session_id, needs_review=False).update(needs_review=True)
    )


def mark_at_end(session_id: Any) -> bool:
    """Mark a session that has ended for any strong finding, with all its signals at hand.

    While it ran, a signal could arrive before the clocks of browser and server were told apart.
    Never raises: the end of the interview is committed.
    """
    try:
        session = InterviewSession.objects.filter(pk=session_id, needs_review=False).first()
        if session is None or not examine(session).strong:
            return False
        return bool(InterviewSession.objects.filter(pk=session_id).update(needs_review=True))
    except Exception:
        logger.exception("the integrity of interview %s was not examined", session_id)
        return False


@receiver(signals_stored, dispatch_uid="interviews.integrity.signals")
def on_signals(sender: Any, session_id: Any, signals: list[AntiCheatSignal], **kwargs: Any) -> None:
    decisive = [signal.event_id for signal in signals if signal.type in DECISIVE]
    if decisive:
        mark(session_id, decisive)


@receiver(attempt_judged, dispatch_uid="interviews.integrity.attempt")
def on_attempt(sender: Any, attempt: Attempt, assignment: Any, **kwargs: Any) -> None:
    """Never raises: the verdict is committed and other rooms wait for the same news."""
    try:
        mark(assignment.session_id, [str(attempt.pk)])
    except Exception:
        logger.exception("the integrity of attempt %s was not examined", attempt.pk)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
