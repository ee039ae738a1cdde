"""Evaluating runs and attempts: claim, judge outside of any transaction, record.

An evaluation does not hang on the client's connection: it runs in a thread of its own under a
lease (see `leases`). After a crash the lease expires and `recover` evaluates the same submission
again, as the same attempt.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_futures
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from neurogame.problems import Problem
from tasks import flow, leases, signals
from tasks.enums import AssignmentState, CloseReason, Verdict
from tasks.in_line import telling
from tasks.judgement import Judgement
from tasks.judging import judge, run_once
from tasks.models import Assignment, Attempt, CodeRun, Evaluation, Progress
from tasks.runners import get_runner
from tasks.sandbox.base import Cancelled

logger = logging.getLogger(__name__)

POLL_S = 0.2
BUSY_RETRY_S = 10
LOST_RUN = timedelta(minutes=3)
RETRY_AUTOMATIC = timedelta(minutes=5)

# These threads wait for the runner, which bounds how many programs run at once.
_waiting = ThreadPoolExecutor(max_workers=64, thread_name_prefix="evaluation")
_futures: dict[uuid.UUID, Future[None]] = {}
_lock = threading.Lock()


def require_room() -> None:
    """Raise the 503 of a judge that has `JUDGE_QUEUE_MAX` evaluations before this one."""
    with _lock:
        here = len(_futures)
    if max(here, get_runner().waiting()) >= settings.JUDGE_QUEUE_MAX:
        raise Problem("judge_busy", retry_after=BUSY_RETRY_S)


# --- Runs -------------------------------------------------------------------------------------


def start_run(
    assignment: Assignment,
    *,
    language: str,
    code: str,
    stdin: str | None = None,
    args: list[Any] | None = None,
) -> CodeRun:
    """Start the visible tests, or one run on the candidate's own input."""
    flow.require_open(assignment, timezone.now())
    require_room()
    flow.begin(assignment)
    run = CodeRun.objects.create(
        assignment=assignment, language=language, code=code, stdin=stdin, args=args
    )
    _start(run.pk, lambda: _evaluate_run(run.pk))
    return run


def _evaluate_run(pk: uuid.UUID) -> None:
    run = CodeRun.objects.select_related("assignment__task").get(pk=pk)
    spec = run.assignment.task.spec()
    evaluate = telling(CodeRun.objects.filter(pk=pk))
    program: Any = {"language": run.language, "source": run.code, "evaluate": evaluate}
    if run.stdin is None and run.args is None:
        judgement = judge(spec, tests="visible", **program)
    else:
        judgement = run_once(spec, stdin=run.stdin or "", args=run.args, **program)
    _record_run(run, judgement)


def _record_run(run: CodeRun, judgement: Judgement) -> None:
    """Store what came out; an IE gives back the time that it took."""
    with transaction.atomic():
        _store(run, judgement)
        run.save()
        if judgement.verdict == Verdict.IE:
            flow.give_back_time(run.assignment, _lost_seconds(run))


def _lost_seconds(evaluation: Attempt | CodeRun) -> float:
    """The seconds since it was sent that no other internal error has given back already."""
    since = evaluation.created_at
    for kind in (CodeRun, Attempt):
        others = kind.objects.filter(
            assignment=evaluation.assignment_id, verdict=Verdict.IE, judged_at__gt=since
        ).exclude(pk=evaluation.pk)
        since = others.aggregate(last=Max("judged_at"))["last"] or since
    return max(0.0, (timezone.now() - since).total_seconds())


def _store(evaluation: Evaluation, judgement: Judgement) -> None:
    """Put the outcome into the record's fields, unsaved."""
    evaluation.progress = Progress.DONE
    evaluation.verdict = judgement.verdict
    evaluation.passed = judgement.passed
    evaluation.total = judgement.total
    evaluation.result = {"judgement": judgement.as_record()}
    evaluation.operator_detail = judgement.operator_detail
    evaluation.judged_at = timezone.now()


# --- Attempts ---------------------------------------------------------------------------------


def start_check(assignment: Assignment, *, language: str, code: str, submission_id: str) -> Attempt:
    """Claim the evaluation of a submission and start it, or find the one that was sent before.

    Raises 409 problems: other code under this `submission_id`, a task that is done or already
    being evaluated, a session that is over.
    """
    known = _sent_before(assignment, language, code, submission_id)
    if known is not None:
        return known
    try:
        flow.require_open(assignment, timezone.now())
        require_room()
        flow.begin(assignment)
        with transaction.atomic():
            attempt = _claim(assignment, language, code, submission_id)
    except (IntegrityError, Problem):  # perhaps the same submission arrived twice at once
        known = _sent_before(assignment, language, code, submission_id)
        if known is None:
            raise
        return known
    start_attempt(attempt, assignment.lease_token)
    return attempt


def _sent_before(
    assignment: Assignment, language: str, code: str, submission_id: str
) -> Attempt | None:
    attempt = assignment.attempts.filter(submission_id=submission_id).first()
    if attempt is None:
        return None
    if (attempt.code, attempt.language) != (code, language):
        raise Problem(
            "submission_conflict",
            state=str(assignment.state),
            task_state=str(assignment.state),
            session_state=str(assignment.session.current_state()),
        )
    recover_attempt(attempt)
    return attempt


def _claim(assignment: Assignment, language: str, code: str, submission_id: str) -> Attempt:
    for old in AssignmentState.claimable():
        if flow.move(
            assignment, old, AssignmentState.EVALUATING,
            claimed_from=old, **leases.claim(),
        ):  # fmt: skip
            break
    else:
        assignment.refresh_from_db()
        if assignment.state == AssignmentState.CLOSED:
            raise flow.done(assignment)
        raise flow.busy(assignment)
    return Attempt.objects.create(
        assignment=assignment, language=language, code=code, submission_id=submission_id
    )


def start_attempt(attempt: Attempt, token: str) -> None:
    """Evaluate an attempt under the lease `token`, which is renewed until it is recorded."""

    def work() -> None:
        try:
            _evaluate_attempt(attempt.pk, token)
        except Cancelled:  # this process ends: whoever comes next need not wait for the lease
            leases.release(attempt.assignment_id, token)
            raise
        finally:
            leases.let_go(token)

    transaction.on_commit(lambda: leases.hold(attempt.assignment_id, token))
    _start(attempt.pk, work)


def _evaluate_attempt(pk: uuid.UUID, token: str) -> None:
    attempt = Attempt.objects.select_related("assignment__task").get(pk=pk)
    if not leases.is_ours(attempt.assignment_id, token):
        return
    judgement = judge(
        attempt.assignment.task.spec(),
        language=attempt.language,
        source=attempt.code,
        evaluate=telling(Attempt.objects.filter(pk=pk)),
    )
    record_attempt(pk, judgement, token=token)


def record_attempt(pk: uuid.UUID, judgement: Judgement, *, token: str) -> Attempt | None:
    """Verdict, score, number and state in one transaction; None when the lease was lost.

    An IE costs no attempt and no time: the state goes back to where it was claimed from and the
    time since the check was sent is given back. The last draft stays to be checked: its lease is
    left to expire later.
    """
    with transaction.atomic():
        attempt = Attempt.objects.select_for_update().get(pk=pk)
        assignment = (
            Assignment.objects.select_for_update(of=("self",))
            .select_related("task", "session")
            .get(pk=attempt.assignment_id)
        )
        if attempt.progress == Progress.DONE or assignment.lease_token != token:
            return None
        if judgement.verdict == Verdict.IE and attempt.automatic:
            _postpone(attempt, assignment, judgement)
            return None
        _store(attempt, judgement)
        if judgement.verdict == Verdict.IE:
            flow.give_back_time(assignment, _lost_seconds(attempt))
            flow.move(
                assignment, AssignmentState.EVALUATING, assignment.claimed_from, note="IE",
                lease_until=None, lease_token="",
            )  # fmt: skip
        else:
            _count(attempt, assignment, judgement)
        attempt.result = {
            "judgement": judgement.as_record(),
            "attempt": assignment.attempts_used,
            "state": str(assignment.state),
        }
        attempt.save()
        flow.update_ability(assignment.session)
        Assignment.objects.filter(pk=assignment.pk).update(theta_after=assignment.session.theta)
        transaction.on_commit(
            lambda: signals.attempt_judged.send(Attempt, assignment=assignment, attempt=attempt)
        )
    return attempt


def _postpone(attempt: Attempt, assignment: Assignment, judgement: Judgement) -> None:
    """Leave a last draft to `recover`: nobody is there who could send it again."""
    attempt.progress, attempt.operator_detail = Progress.QUEUED, judgement.operator_detail
    attempt.save(update_fields=["progress", "operator_detail"])
    Assignment.objects.filter(pk=assignment.pk).update(
        lease_token="", lease_until=timezone.now() + RETRY_AUTOMATIC
    )


def _count(attempt: Attempt, assignment: Assignment, judgement: Judgement) -> None:
    """Number an attempt, keep the best, and move the state on."""
    assignment.attempts_used += 1
    attempt.number = assignment.attempts_used
    attempt.score = judgement.score
    assignment.best_passed = max(assignment.best_passed, judgement.passed)
    assignment.total_tests = judgement.total
    assignment.best_points = max(assignment.best_points, judgement.points)
    if judgement.tests:
        assignment.total_points = judgement.total_points
    accepted = judgement.verdict == Verdict.AC
    counted = ("attempts_used", "best_passed", "total_tests", "best_points", "total_points")
    assignment.save(update_fields=counted)
    if assignment.state == AssignmentState.CLOSED:  # the last draft, after the time was over
        if accepted:
            assignment.close_reason = CloseReason.ACCEPTED
            Assignment.objects.filter(pk=assignment.pk).update(close_reason=CloseReason.ACCEPTED)
        return
    flow.move(
        assignment, AssignmentState.EVALUATING, AssignmentState.FEEDBACK,
        note=str(judgement.verdict), lease_until=None, lease_token="",
    )  # fmt: skip
    if accepted:
        flow.close(assignment, CloseReason.ACCEPTED)
    elif assignment.attempts_used >= settings.TASK_ATTEMPTS:
        flow.close(assignment, CloseReason.ATTEMPTS)


# --- Waiting and recovering ---------------------------------------------------------------------


def _start(pk: uuid.UUID, work: Callable[[], None]) -> None:
    """Run `work` in a thread of its own once the running transaction has committed."""

    def guarded() -> None:
        try:
            work()
        except Cancelled:
            logger.warning("evaluation %s was called off", pk)
        except Exception:
            logger.exception("evaluation %s failed", pk)
        finally:
            connection.close()
            with _lock:
                _futures.pop(pk, None)

    def start() -> None:
        try:
            with _lock:
                if pk not in _futures:
                    _futures[pk] = _waiting.submit(guarded)
        except RuntimeError:  # this process ends; another finds the evaluation
            logger.warning("evaluation %s was not started: the process ends", pk)

    transaction.on_commit(start)


def wait(evaluation: Evaluation, seconds: float) -> bool:
    """Wait until an evaluation is done, here or in another process; False after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        with _lock:
            future = _futures.get(evaluation.pk)
        left = deadline - time.monotonic()
        if future is not None and left > 0:
            wait_futures([future], timeout=left)
        evaluation.refresh_from_db()
        if evaluation.progress == Progress.DONE:
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(POLL_S, left))


def is_here(pk: uuid.UUID) -> bool:
    """Whether an evaluation runs in this process."""
    with _lock:
        return pk in _futures


def recover_attempt(attempt: Attempt, now: datetime | None = None) -> bool:
    """Evaluate an attempt again whose lease has expired; whether it was started here."""
    if attempt.progress == Progress.DONE or is_here(attempt.pk):
        return False
    if not leases.wall_clock.is_steady():
        return False
    now = now or timezone.now()
    lease = leases.claim(now)
    claimed = (
        Assignment.objects.filter(pk=attempt.assignment_id)
        .filter(state__in=(AssignmentState.EVALUATING, AssignmentState.CLOSED))
        .filter(leases.expired(now))
        .update(**lease)
    )
    if claimed:
        start_attempt(attempt, lease["lease_token"])
    return bool(claimed)


def recover_run(run: CodeRun) -> None:
    """See to a run whose process died: where there is one web process, run it again.

    With several, another may still be at it; after `LOST_RUN` it is an internal error, which cost
    nothing, to be sent again.
    """
    if run.progress == Progress.DONE or is_here(run.pk):
        return
    run.refresh_from_db()
    if run.progress == Progress.DONE:
        return
    if not settings.REDIS_URL:
        _start(run.pk, lambda: _evaluate_run(run.pk))
    elif timezone.now() - run.created_at > LOST_RUN:
        give_up_run(run)


def give_up_run(run: CodeRun) -> None:
    """End a run that was lost as an internal error, which cost nothing."""
    _store(run, Judgement(Verdict.IE, operator_detail="the process that ran it died"))
    run.save()


def recover(now: datetime | None = None) -> int:
    """Evaluate again what a crash left in evaluation; how many were started."""
    now = now or timezone.now()
    lost = Attempt.objects.exclude(progress=Progress.DONE).filter(
        assignment__in=Assignment.objects.filter(leases.expired(now))
    )
    return sum(recover_attempt(attempt, now) for attempt in lost)


def drain(seconds: float) -> bool:
    """Wait until no evaluation runs in this process; False when some still do."""
    with _lock:
        running = list(_futures.values())
    return not wait_futures(running, timeout=seconds).not_done
