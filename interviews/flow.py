"""The life of an interview: start, read, finish, sweep."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from rest_framework.exceptions import ValidationError

from interviews.interviewer import script
from interviews.interviewer.context import InterviewContext
from interviews.models import Consent, InterviewSession, Invite, Level, Message, User
from interviews.models.conversation import MessageKind, Role
from interviews.models.sessions import FinishReason, SessionState
from neurogame.problems import Problem
from tasks import evaluation, last_drafts
from tasks import flow as task_flow

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """What the candidate agreed to; `taken_by` is `candidate` or the client that asked."""

    version: str
    signals: bool = True
    video: bool = False
    taken_by: str = "candidate"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an interview is to be: chosen by the candidate, or fixed by an invite."""

    track: str
    level: str
    locale: str


def find_invite(token: str) -> Invite:
    """The invite of a link; a field error for an unknown one."""
    invite = None
    if "\x00" not in token:
        invite = Invite.objects.filter(token=token).select_related("team").first()
    if invite is None:
        raise ValidationError({"invite": [_("This invite is not known.")]})
    return invite


def agree(terms: dict[str, str | None], invite: Invite | None) -> Terms:
    """The terms of a start; field errors where they are missing or contradict the invite."""
    errors: dict[str, list[str]] = {}
    if invite is None:
        for field in ("track", "level"):
            if not terms.get(field):
                errors[field] = [_("This field is required.")]
    else:
        for field in ("track", "level"):
            if terms.get(field) and terms[field] != getattr(invite, field):
                errors[field] = [_("The invite says otherwise.")]
    if errors:
        raise ValidationError(errors)
    if invite is not None:
        return Terms(invite.track, invite.level, terms.get("locale") or invite.locale)
    return Terms(terms["track"] or "", terms["level"] or "", terms.get("locale") or "en")


def start(
    user: User,
    *,
    terms: dict[str, str | None],
    invite_token: str = "",
    consent: ConsentGiven,
    now: datetime | None = None,
) -> tuple[InterviewSession, bool]:
    """(the candidate's running interview, whether it was started now).

    Starting the same again answers the running one; another is a 409 `session_active`. An invite
    starts one interview. Raises ValidationError for contradicting fields, `not_invited` where
    only invites start interviews.
    """
    now = now or timezone.now()
    invite = find_invite(invite_token) if invite_token else None
    agreed = agree(terms, invite)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # one start at a time
        for late in InterviewSession.objects.for_candidate(user).overdue(now):
            end(late, FinishReason.TIME, at=late.ends_at)
        running = InterviewSession.objects.for_candidate(user).running(now).first()
        if running is not None:
            return _same(running, agreed, invite, now), False
        if invite is None and not settings.OPEN_SESSIONS:
            raise Problem("not_invited")
        if invite is not None:
            _use(invite, user, now)
        session = _create(user, agreed, invite, now)
        Consent.objects.create(
            session=session,
            version=consent.version,
            signals=consent.signals,
            video=consent.video,
            taken_by=consent.taken_by,
        )
        greet(session, now)
    return session, True


def _same(
    running: InterviewSession, agreed: Terms, invite: Invite | None, now: datetime
) -> InterviewSession:
    other_invite = invite is not None and running.invite_id != invite.pk
    if (running.track, running.level) == (agreed.track, agreed.level) and not other_invite:
        return running
    state = running.current_state(now)
    raise Problem("session_active", session_id=str(running.pk), state=state, session_state=state)


def _use(invite: Invite, user: User, now: datetime) -> None:
    if not invite.is_open(now):
        raise Problem("invite_used", state="closed")
    used = Invite.objects.open(now).filter(pk=invite.pk).update(used_at=now, used_by=user)
    if not used:
        raise Problem("invite_used", state="closed")


def _create(user: User, agreed: Terms, invite: Invite | None, now: datetime) -> InterviewSession:
    factor = invite.time_factor if invite else 1
    minutes = Level(agreed.level).minutes * float(factor)
    return InterviewSession.objects.create(
        candidate=user,
        invite=invite,
        team=invite.team if invite else None,
        track=agreed.track,
        level=agreed.level,
        locale=agreed.locale,
        time_factor=factor,
        started_at=now,
        ends_at=now + timedelta(minutes=minutes),
    )


def greet(session: InterviewSession, now: datetime) -> Message:
    """The first message of the history, in the session's language."""
    context = InterviewContext(
        kind=MessageKind.GREETING,
        locale=session.locale,
        track=session.track,
        level=session.level,
        candidate=session.candidate.get_short_name(),
        seed=str(session.pk),
        seconds_left=session.seconds_left(now),
    )
    with override(session.locale):
        text = script.reply(context)
    return Message.objects.create(
        session=session,
        seq=next_seq(session),
        role=Role.INTERVIEWER,
        kind=MessageKind.GREETING,
        text=text,
        source="scripted",
        created_at=now,
        completed_at=now,
    )


def next_seq(session: InterviewSession) -> int:
    """The number of the next message; call it with the session's row locked."""
    last = Message.objects.filter(session=session).aggregate(last=Max("seq"))["last"]
    return (last or 0) + 1


def greeting_of(session: InterviewSession) -> str:
    """The text of the greeting."""
    first = session.messages.order_by("seq").first()
    return first.text if first else ""


def end(session: InterviewSession, reason: str, *, at: datetime | None = None) -> bool:
    """Finish a session and close its open task; False when it was finished already."""
    at = at or timezone.now()
    with transaction.atomic():
        ended = (
            InterviewSession.objects.filter(pk=session.pk)
            .exclude(state=SessionState.FINISHED)
            .update(state=SessionState.FINISHED, finished_at=at, finish_reason=reason)
        )
        session.refresh_from_db()
        if ended:
            from interviews import chat, integrity  # both look at sessions through this module

            transaction.on_commit(lambda: integrity.mark_at_end(session.pk))
            transaction.on_commit(lambda: chat.close_conversation(session))
            task_flow.settle(session, max(at, timezone.now()))
            task_flow.update_ability(session)
    return bool(ended)


def finish(session: InterviewSession, now: datetime | None = None) -> InterviewSession:
    """The candidate ends the interview. Idempotent; past its end it ended by the clock."""
    now = now or timezone.now()
    if session.ends_at <= now and session.state == SessionState.ACTIVE:
        end(session, FinishReason.TIME, at=session.ends_at)
    else:
        end(session, FinishReason.CANDIDATE, at=now)
    return session


def sweep(now: datetime | None = None) -> dict[str, int]:
    """Close what the clock has ended, check last drafts, recover lost evaluations.

    Idempotent; runs in the job worker every few seconds. The counts of what was done. What fails
    for one interview or in one step is logged and does not keep the others from theirs.
    """
    now = now or timezone.now()
    closed = 0
    for session in InterviewSession.objects.overdue(now):
        with _logged(f"closing interview {session.pk}"):
            closed += end(session, FinishReason.TIME, at=session.ends_at)
    open_tasks = task_flow.Assignment.objects.open()
    running = InterviewSession.objects.running(now)
    finished = InterviewSession.objects.filter(state=SessionState.FINISHED)
    for session in (
        *running.filter(assignments__in=open_tasks.filter(deadline__lte=now)),
        *finished.filter(assignments__in=open_tasks),
    ):
        with _logged(f"closing the task of interview {session.pk}"):
            task_flow.settle(session, now)
    done = {"closed": closed, "drafts": 0, "recovered": 0}
    with _logged("checking last drafts"):
        done["drafts"] = last_drafts.check_due(now)
    with _logged("recovering evaluations"):
        done["recovered"] = evaluation.recover(now)
    return done


@contextmanager
def _logged(step: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("%s failed", step)
