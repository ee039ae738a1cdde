"""Judging attempts again, after a task's tests, checker or limits were mended.

Of an attempt the verdict, the tests passed, the score and the judge's record change; its number,
its time and its code do not, and neither do the attempts of the task. Of the task:

- the best result is counted anew;
- closed for another reason, it becomes accepted when an attempt is accepted now: it would have
  closed with that attempt, so its time ends where that one was sent;
- closed as accepted, it stays so, whatever the attempt is now: the candidate was told, and could
  not try again. Only what an earlier rejudging had made of it is taken back.

The ability of the interview follows from its tasks. Nobody is told anything: no message, no signal.
Attempts of a task that is still open are left alone, and so is a verdict that the judge cannot
find again (IE).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from tasks import flow, slices
from tasks.enums import AssignmentState, CloseReason, Verdict
from tasks.judgement import Judgement
from tasks.judging import judge
from tasks.models import Assignment, Attempt, Progress
from tasks.proofs import AttemptRejudge, Outcome, Rejudge


def judgeable(attempts: QuerySet[Attempt]) -> QuerySet[Attempt]:
    """Those of `attempts` that may be judged again: counted ones, of closed tasks."""
    return attempts.filter(
        progress=Progress.DONE, number__isnull=False, assignment__state=AssignmentState.CLOSED
    )


@transaction.atomic
def request(attempts: QuerySet[Attempt], *, who: Any, reason: str) -> Rejudge:
    """Have attempts judged again by a background job; those that may not be are left out."""
    from tasks import jobs

    chosen = list(judgeable(attempts).order_by("created_at").values_list("pk", flat=True))
    made = Rejudge.objects.create(who=who, reason=reason, total=len(chosen))
    AttemptRejudge.objects.bulk_create(
        [AttemptRejudge(rejudge=made, attempt_id=pk) for pk in chosen], batch_size=500
    )
    transaction.on_commit(lambda: jobs.rejudge.enqueue(made.pk))
    return made


def carry_on(pk: int, *, seconds: float = slices.SLICE_S) -> bool:
    """A slice of it; whether some is left to do at once."""
    with slices.held(Rejudge, pk, seconds=seconds) as mine:
        if mine is None:
            return False
        started = Rejudge.objects.filter(pk=pk, started_at=None)
        mine.save(**({"started_at": timezone.now()} if started.exists() else {}))
        waiting = AttemptRejudge.objects.filter(rejudge=pk, outcome=Outcome.WAITING)
        for row in waiting.select_related("attempt__assignment__task").order_by("id").iterator():
            if mine.over:
                return True
            attempt = row.attempt
            judgement = judge(
                attempt.assignment.task.spec(), language=attempt.language, source=attempt.code
            )
            mine.save()  # nobody else has taken it meanwhile
            changed = record(row, judgement)
            mine.save(done=F("done") + 1, changed=F("changed") + int(changed))
        mine.save(finished_at=timezone.now())
    return False


@transaction.atomic
def record(row: AttemptRejudge, judgement: Judgement) -> bool:
    """Put a new judgement in the place of the old one; whether the verdict is another."""
    attempt = Attempt.objects.select_for_update().get(pk=row.attempt_id)
    assignment = (
        Assignment.objects.select_for_update(of=("self",))
        .select_related("task", "session")
        .get(pk=attempt.assignment_id)
    )
    row.old = _values(attempt, assignment)
    row.at = timezone.now()
    if judgement.verdict == Verdict.IE or assignment.state != AssignmentState.CLOSED:
        row.outcome, row.new = Outcome.KEPT, row.old
        row.save()
        return False
    attempt.verdict, attempt.score = judgement.verdict, judgement.score
    attempt.passed, attempt.total = judgement.passed, judgement.total
    attempt.result = {**(attempt.result or {}), "judgement": judgement.as_record()}
    attempt.judged_at = row.at
    attempt.save(update_fields=["verdict", "score", "passed", "total", "result", "judged_at"])
    _count_anew(assignment, judgement)
    _close_anew(assignment)
    counted = ("best_passed", "total_tests", "best_points", "total_points")
    assignment.save(update_fields=[*counted, "close_reason", "closed_at"])
    flow.update_ability(assignment.session)
    row.new = _values(attempt, assignment)
    row.outcome = Outcome.CHANGED if row.new["verdict"] != row.old["verdict"] else Outcome.SAME
    row.save()
    return row.outcome == Outcome.CHANGED


def _values(attempt: Attempt, assignment: Assignment) -> dict[str, Any]:
    session = assignment.session
    closed_at = assignment.closed_at
    return {
        "verdict": str(attempt.verdict),
        "passed": attempt.passed,
        "total": attempt.total,
        "score": attempt.score,
        "close_reason": str(assignment.close_reason),
        "closed_at": closed_at.isoformat() if closed_at else None,
        "theta": session.theta,
        "theta_se": session.theta_se,
    }


def _count_anew(assignment: Assignment, judgement: Judgement) -> None:
    counted = assignment.attempts.filter(number__isnull=False)
    assignment.best_passed = counted.aggregate(best=Max("passed"))["best"] or 0
    assignment.total_tests = judgement.total
    results = counted.values_list("result", flat=True)
    assignment.best_points = max(map(_points, results), default=0)
    assignment.total_points = judgement.total_points


def _points(result: Any) -> int:
    """What an attempt earned by groups; 0 for a record of a task without any."""
    try:
        return Judgement.from_record(result["judgement"]).points
    except (ValueError, KeyError, TypeError):
        return 0


def _close_anew(assignment: Assignment) -> None:
    """The reason and the time of closing, as the module says."""
    accepted = assignment.attempts.filter(number__isnull=False, verdict=Verdict.AC)
    first = accepted.order_by("created_at").first()
    if first is not None and assignment.close_reason != CloseReason.ACCEPTED:
        assignment.close_reason = CloseReason.ACCEPTED
        assignment.closed_at = min(assignment.closed_at or first.created_at, first.created_at)
    elif first is None and (before := _made_accepted(assignment)) is not None:
        assignment.close_reason = before["close_reason"]
        closed_at = before["closed_at"]
        assignment.closed_at = datetime.fromisoformat(closed_at) if closed_at else None


def _made_accepted(assignment: Assignment) -> dict[str, Any] | None:
    """What the task was before a rejudging made it accepted; None when the candidate was told so."""
    rows = AttemptRejudge.objects.filter(
        attempt__assignment=assignment, new__close_reason=CloseReason.ACCEPTED
    ).exclude(old__close_reason=CloseReason.ACCEPTED)
    last = rows.order_by("-id").first()
    return last.old if last else None
