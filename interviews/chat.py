"""The conversation: what a candidate sends, and what the interviewer is to say.

Here messages and pending replies are written, each pair in one transaction; `answering` streams
the replies. A reply that is pending in the database is streamed sooner or later, whatever
happens to the process that wrote it.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from interviews import answering
from interviews import integrity as _marks_first  # noqa: F401 - see `react_to_verdict`
from interviews.flow import next_seq
from interviews.models import InterviewSession, Message
from interviews.models.conversation import MessageKind, MessageStatus, Role
from tasks import flow as task_flow
from tasks.enums import Verdict
from tasks.models import Assignment, Attempt
from tasks.signals import attempt_judged

logger = logging.getLogger(__name__)

MAX_CHARS = 8_000
ONCE = (MessageKind.GREETING, MessageKind.PROOF, MessageKind.CLOSING)
"""What the interviewer says once in an interview."""


def send(
    *,
    session: InterviewSession,
    text: str,
    client_message_id: str | None = None,
    now: datetime | None = None,
) -> tuple[Message, Message]:
    """Store a candidate's message with a pending reply; (message, reply).

    The same `client_message_id` again answers the same and writes nothing, also after the end,
    except that a reply which ended in a retryable error gets a successor. Raises the 409 of a
    session that is not active.
    """
    now = now or timezone.now()
    with transaction.atomic():
        session = InterviewSession.objects.select_for_update().get(pk=session.pk)
        message = _sent_before(session, client_message_id)
        if message is not None:
            last = message.replies.order_by("seq").last()
            if last is not None and not _may_be_repeated(last):
                return message, last
        if not session.is_active(now):
            raise task_flow.over(session, now)
        task_id = session.assignments.open().values_list("task_id", flat=True).first()
        if message is None:
            message = Message.objects.create(
                session=session,
                seq=next_seq(session),
                role=Role.CANDIDATE,
                text=text,
                client_message_id=client_message_id,
                task_id=task_id,
                created_at=now,
                completed_at=now,
            )
        reply = _pending(session, MessageKind.CHAT, task_id, now, reply_to=message)
        transaction.on_commit(lambda: answering.serve(session.pk))
    return message, reply


def post_interviewer_message(
    *,
    session: InterviewSession,
    kind: str,
    context: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> Message:
    """Let the interviewer speak of itself: a pending reply to nothing, streamed like any other.

    `kind` is a `MessageKind` other than chat; `context` goes into its `meta` (`attempt_id` for a
    verdict or a proof). Posting the same kind about the same attempt again, or again what is said
    `ONCE`, returns the first. May be called in any process: without a stream here the web process
    finds the pending reply by itself.
    """
    now = now or timezone.now()
    context = context or {}
    with transaction.atomic():
        session = InterviewSession.objects.select_for_update().get(pk=session.pk)
        same = session.messages.filter(kind=kind)
        if "attempt_id" in context and kind not in ONCE:
            same = same.filter(meta__attempt_id=context["attempt_id"])
        if "attempt_id" in context or kind in ONCE:
            posted = same.first()
            if posted is not None:
                return posted
        task_id = context.get("task_id")
        if task_id is None:
            task_id = session.assignments.open().values_list("task_id", flat=True).first()
        transaction.on_commit(lambda: answering.nudge(session.pk))
        return _pending(session, kind, task_id, now, meta=context)


def close_conversation(session: InterviewSession) -> Message:
    """The interviewer's last words; once for each session."""
    return post_interviewer_message(session=session, kind=MessageKind.CLOSING)


def _pending(
    session: InterviewSession,
    kind: str,
    task_id: Any,
    now: datetime,
    *,
    reply_to: Message | None = None,
    meta: dict[str, Any] | None = None,
) -> Message:
    return Message.objects.create(
        session=session,
        seq=next_seq(session),
        role=Role.INTERVIEWER,
        kind=kind,
        status=MessageStatus.PENDING,
        reply_to=reply_to,
        task_id=task_id,
        meta=meta or {},
        created_at=now,
    )


def _sent_before(session: InterviewSession, client_message_id: str | None) -> Message | None:
    if not client_message_id:
        return None
    return session.messages.filter(client_message_id=client_message_id).first()


def _may_be_repeated(reply: Message) -> bool:
    return reply.status == MessageStatus.ERROR and reply.retryable


@receiver(attempt_judged, dispatch_uid="interviews.chat.react")
def react_to_verdict(
    sender: type, assignment: Assignment, attempt: Attempt, **_more: object
) -> None:
    """After a judged check the interviewer says something about it, while the session runs.

    Once in a session with a strong integrity signal it also asks about the code that was
    accepted. `integrity` has heard of the attempt before this does: receivers are called in the
    order in which they were connected, and this module imports it.
    """
    try:
        if attempt.automatic or not assignment.session.is_active():
            return
        context = {"attempt_id": str(attempt.pk), "task_id": str(assignment.task_id)}
        session = assignment.session
        post_interviewer_message(session=session, kind=MessageKind.VERDICT, context=context)
        if attempt.verdict == Verdict.AC and _is_to_be_reviewed(session):
            post_interviewer_message(session=session, kind=MessageKind.PROOF, context=context)
    except Exception:  # judging must not fail because the interviewer cannot speak
        logger.exception("no reaction to attempt %s", attempt.pk)


def _is_to_be_reviewed(session: InterviewSession) -> bool:
    return InterviewSession.objects.filter(pk=session.pk, needs_review=True).exists()
