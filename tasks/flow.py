"""Issuing tasks and moving assignments through their states.

A session is whatever `Assignment.session` points to; this room uses its clock (`current_state`,
`seconds_left`, `ends_at`), its `track`, `level`, `time_factor`, and writes its `theta`,
`theta_se` and `stop_reason`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone
from django.utils.translation import gettext as _

from neurogame.problems import Problem
from tasks import offers, selection, signals
from tasks.enums import AssignmentState, CloseReason
from tasks.models import Assignment, AssignmentMove, CodingTask, Draft

DRAFT_GRACE = timedelta(minutes=1)
OPEN_STATES = (AssignmentState.ISSUED, AssignmentState.AWAITING, AssignmentState.FEEDBACK)


@dataclass(frozen=True, slots=True)
class Next:
    """What `tasks/next` answers: an open assignment, or why there is none."""

    assignment: Assignment | None
    reason: str = ""


def move(assignment: Assignment, old: str, new: str, *, note: str = "", **fields: Any) -> bool:
    """Move a state and log it; False when the assignment was no longer in `old`.

    The update names the old state, so of two racing moves exactly one happens.
    """
    with transaction.atomic():
        moved = Assignment.objects.filter(pk=assignment.pk, state=old).update(state=new, **fields)
        if not moved:
            return False
        AssignmentMove.objects.create(assignment=assignment, old=old, new=new, note=note)
    assignment.state = new
    for name, value in fields.items():
        setattr(assignment, name, value)
    return True


def close(assignment: Assignment, reason: str, *, at: datetime | None = None) -> bool:
    """Close an assignment from whatever open state it is in, unless it is being evaluated."""
    for old in OPEN_STATES:
        if move(
            assignment, old, AssignmentState.CLOSED, note=reason,
            close_reason=reason, closed_at=at or timezone.now(),
        ):  # fmt: skip
            transaction.on_commit(
                lambda: signals.task_closed.send(Assignment, assignment=assignment)
            )
            return True
    return False


def is_overdue(assignment: Assignment, now: datetime) -> bool:
    return assignment.state != AssignmentState.CLOSED and assignment.deadline <= now


def settle(session: Any, now: datetime | None = None) -> None:
    """Close what the clock has closed: the open task past its time, or with its session."""
    now = now or timezone.now()
    ended = session.ended_at(now)
    for assignment in session.assignments.open():
        if ended is not None and ended <= assignment.deadline:
            close(assignment, CloseReason.SESSION, at=ended)
        elif is_overdue(assignment, now):
            close(assignment, CloseReason.TIME, at=assignment.deadline)


def outcome_of(assignment: Assignment) -> selection.Outcome:
    """What a closed assignment showed, for the ability estimate: points where the task's tests are
    in groups, else tests."""
    task = assignment.task
    ended = assignment.closed_at or timezone.now()
    got, total = assignment.best_passed, assignment.total_tests
    if assignment.total_points:
        got, total = assignment.best_points, assignment.total_points
    return selection.Outcome(
        a=task.discrimination,
        b=task.difficulty,
        passed=min(got, total),
        total=total,
        attempts=assignment.attempts_used,
        time_used_s=max(0.0, (ended - assignment.issued_at).total_seconds()),
        time_limit_s=(assignment.deadline - assignment.issued_at).total_seconds(),
        accepted=assignment.close_reason == CloseReason.ACCEPTED,
    )


def update_ability(session: Any) -> selection.Ability:
    """The ability from the closed tasks of a session, written to its row and returned."""
    closed = session.assignments.filter(state=AssignmentState.CLOSED).select_related("task")
    ability = selection.estimate([outcome_of(assignment) for assignment in closed], session.level)
    type(session).objects.filter(pk=session.pk).update(theta=ability.theta, theta_se=ability.se)
    session.theta, session.theta_se = ability.theta, ability.se
    return ability


def next_task(session: Any, now: datetime | None = None) -> Next:
    """The open task of a session, or a newly issued one, or the reason why there is no more."""
    now = now or timezone.now()
    languages = offers.known()
    with transaction.atomic():
        session = type(session).objects.select_for_update().get(pk=session.pk)
        settle(session, now)
        current = session.assignments.open().select_related("task").first()
        state = session.current_state(now)
        if state == "paused":
            raise over(session, now)
        if current is not None and state == "active":
            return Next(current)
        if state == "finished":
            by_clock = session.finished_at is None or session.finish_reason == "time"
            return Next(None, session.stop_reason or ("time" if by_clock else "ended"))
        if session.stop_reason and session.stop_reason != selection.StopReason.TIME:
            return Next(None, session.stop_reason)
        return _issue(session, now, languages)  # time may have been added since


def _issue(session: Any, now: datetime, languages: offers.Versions | None) -> Next:
    ability = update_ability(session)
    seen = session.assignments.values("task_id")
    unseen = CodingTask.objects.selectable(session.track).exclude(pk__in=seen)
    unseen = unseen.annotate(exposure=Count("assignments"))
    candidates = {
        str(task.pk): (
            task,
            selection.Candidate(str(task.pk), task.discrimination, task.difficulty, task.exposure),
        )
        for task in unseen
        if offers.offered(task, languages)
    }
    given = session.assignments.count()
    reason = selection.stop(
        ability,
        given,
        session.seconds_left(now),
        len(candidates),
        se_target=settings.SELECTION_SE,
        max_tasks=settings.SELECTION_LENGTH,
    )
    chosen = (
        None if reason else selection.choose([row for _task, row in candidates.values()], ability)
    )
    if chosen is None:
        word = str(reason or selection.StopReason.BANK)
        type(session).objects.filter(pk=session.pk).update(stop_reason=word)
        return Next(None, word)
    if session.stop_reason:
        type(session).objects.filter(pk=session.pk).update(stop_reason="")
    task = candidates[chosen.id][0]
    seconds = task.time_limit_s * float(session.time_factor)
    assignment = Assignment.objects.create(
        session=session,
        task=task,
        order=given + 1,
        issued_at=now,
        deadline=min(now + timedelta(seconds=seconds), session.ends_at),
        theta_before=ability.theta,
        total_tests=task.tests.count(),
        total_points=sum(group["points"] for group in task.groups),
    )
    AssignmentMove.objects.create(assignment=assignment, new=AssignmentState.ISSUED)
    transaction.on_commit(lambda: signals.task_issued.send(Assignment, assignment=assignment))
    return Next(assignment)


# --- What a write may find --------------------------------------------------------------------


def over(session: Any, now: datetime | None = None, task: Assignment | None = None) -> Problem:
    """The 409 of a write to a session that is not running, to its `task` perhaps."""
    state = str(session.current_state(now))
    members: dict[str, Any] = {"task_state": str(task.state)} if task else {}
    return Problem(
        "session_over",
        _("The interview is paused.") if state == "paused" else _("The interview has ended."),
        state=state,
        session_state=state,
        **members,
    )


def done(assignment: Assignment, now: datetime | None = None) -> Problem:
    """The 409 of a write to a task that is done."""
    return Problem(
        "task_closed",
        _("This task is done."),
        state=str(AssignmentState.CLOSED),
        task_state=str(AssignmentState.CLOSED),
        session_state=str(assignment.session.current_state(now)),
        close_reason=str(assignment.close_reason or CloseReason.TIME),
    )


def busy(assignment: Assignment) -> Problem:
    """The 409 of a write to a task that is being evaluated."""
    return Problem(
        "evaluating",
        _("Your last submission is still being evaluated."),
        state=str(AssignmentState.EVALUATING),
        task_state=str(AssignmentState.EVALUATING),
        session_state=str(assignment.session.current_state()),
    )


def require_open(assignment: Assignment, now: datetime) -> None:
    """Raise the 409 of a session that is over, or of a task that is closed or out of time."""
    settle(assignment.session, now)
    assignment.refresh_from_db(fields=["state", "close_reason", "deadline"])
    if not assignment.session.is_active(now):
        raise over(assignment.session, now, assignment)
    if assignment.state == AssignmentState.CLOSED or is_overdue(assignment, now):
        raise done(assignment, now)


def begin(assignment: Assignment) -> None:
    """The first draft, run or check: from issued to awaiting a solution."""
    if assignment.state == AssignmentState.ISSUED:
        move(assignment, AssignmentState.ISSUED, AssignmentState.AWAITING)


def skip(assignment: Assignment, now: datetime | None = None) -> None:
    """Give a task up; the 409 of one that is done, skipped included, or being evaluated."""
    now = now or timezone.now()
    require_open(assignment, now)
    if not close(assignment, CloseReason.SKIPPED, at=now):
        assignment.refresh_from_db()
        raise done(assignment) if assignment.state == AssignmentState.CLOSED else busy(assignment)
    update_ability(assignment.session)


# --- Drafts -----------------------------------------------------------------------------------


def save_draft(
    assignment: Assignment,
    *,
    language: str,
    code: str,
    version: int,
    now: datetime | None = None,
) -> Draft:
    """Store a draft with a greater version than the stored one.

    The same code at the same or a lower version changes nothing; other code there is a 409 with
    the stored draft. Accepted until `DRAFT_GRACE` after the session's or the task's time ended.
    """
    now = now or timezone.now()
    session = assignment.session
    settle(session, now)
    assignment.refresh_from_db()
    if not session.within_grace(DRAFT_GRACE, now):
        raise over(session, now, assignment)
    if assignment.state == AssignmentState.CLOSED:
        by_clock = assignment.close_reason in (CloseReason.TIME, CloseReason.SESSION)
        if not by_clock or now > (assignment.closed_at or now) + DRAFT_GRACE:
            raise done(assignment, now)
    begin(assignment)
    with transaction.atomic():
        Assignment.objects.select_for_update().get(pk=assignment.pk)
        draft, created = Draft.objects.get_or_create(
            assignment=assignment,
            defaults={"language": language, "code": code, "version": version, "saved_at": now},
        )
        if created:
            return draft
        if version > draft.version:
            draft.language, draft.code, draft.version, draft.saved_at = language, code, version, now
            draft.save()
            return draft
    if (draft.code, draft.language) == (code, language):
        return draft
    raise Problem(
        "draft_conflict",
        _("A newer draft is stored, perhaps from another tab."),
        state=str(assignment.state),
        task_state=str(assignment.state),
        session_state=str(session.current_state(now)),
        draft=draft.as_answer(),
    )


def give_back_time(assignment: Assignment, seconds: float) -> None:
    """Lengthen an open task and its session by the time that a fault of ours took."""
    extra = timedelta(seconds=seconds)
    open_one = Assignment.objects.open().filter(pk=assignment.pk)
    if not open_one.update(deadline=F("deadline") + extra):
        return
    session = assignment.session
    type(session).objects.filter(pk=session.pk, state="active").update(ends_at=F("ends_at") + extra)
