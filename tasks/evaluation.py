"""Evaluating runs and attempts: claim, judge outside of any transaction, record.

An evaluation does not hang on the client's connection: it runs in a thread of its own under a
lease that it renews. After a crash the lease expires and `recover` evaluates the same submission
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
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from neurogame.problems import Problem
from tasks import flow, signals
from tasks.enums import AssignmentState, CloseReason, Verdict
from tasks.judgement import Judgement
from tasks.judging import Evaluate, judge, run_once
from tasks.models import Assignment, Attempt, CodeRun, Evaluation, Progress
from tasks.runners import get_runner
from tasks.sandbox.base import Cancelled, Job
from tasks.sandbox.base import Evaluation as Outcome

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
RENEW_S = 8.0
POLL_S = 0.2
LINE_POLL_S = 0.02
LOST_RUN = timedelta(minutes=3)

# These threads wait for the runner, which bounds how many programs run at once.
_waiting = ThreadPoolExecutor(max_workers=64, thread_name_prefix="evaluation")
_futures: dict[uuid.UUID, Future[None]] = {}
_lock = threading.Lock()


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
    flow.begin(assignment)
    run = CodeRun.objects.create(
        assignment=assignment, language=language, code=code, stdin=stdin, args=args
    )
    _start(run.pk, lambda: _evaluate_run(run.pk))
    return run


def _evaluate_run(pk: uuid.UUID) -> None:
    run = CodeRun.objects.select_related("assignment__task").get(pk=pk)
    spec = run.assignment.task.spec()
    evaluate = _telling(CodeRun.objects.filter(pk=pk))
    program: Any = {"language": run.language, "source": run.code, "evaluate": evaluate}
    if run.stdin is None and run.args is None:
        judgement = judge(spec, tests="visible", **program)
    else:
        judgement = run_once(spec, stdin=run.stdin or "", args=run.args, **program)
    _store(run, judgement)
    run.save()


def _telling(evaluation: QuerySet[Any]) -> Evaluate:
    """What runs a sandbox job and marks its record as running when it leaves the line."""

    def evaluate(job: Job, cancelled: Callable[[], bool] | None = None) -> Outcome:
        future = get_runner().submit(job, cancelled=cancelled)
        while not (future.running() or future.done()):
            wait_futures([future], timeout=LINE_POLL_S)
        evaluation.filter(progress=Progress.QUEUED).update(progress=Progress.RUNNING)
        return future.result()

    return evaluate


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
    flow.require_open(assignment, timezone.now())
    flow.begin(assignment)
    try:
        with transaction.atomic():
            attempt = _claim(assignment, language, code, submission_id)
    except IntegrityError:  # the same submission arrived twice at once
        known = _sent_before(assignment, language, code, submission_id)
        if known is None:
            raise
        return known
    _start(attempt.pk, lambda: _evaluate_attempt(attempt.pk, assignment.lease_token))
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
            claimed_from=old, lease_token=uuid.uuid4().hex, lease_until=timezone.now() + LEASE,
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


class _Lease:
    """Renews the lease of an assignment while its evaluation runs."""

    def __init__(self, assignment_id: uuid.UUID, token: str) -> None:
        self.held = Assignment.objects.filter(pk=assignment_id, lease_token=token)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._renew, name="judge-lease", daemon=True)

    def _renew(self) -> None:
        try:
            while not self.over.wait(RENEW_S):
                try:
                    self.held.update(lease_until=timezone.now() + LEASE)
                except Exception:
                    logger.exception("a lease could not be renewed")
        finally:
            connection.close()

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.thread.join()


def _evaluate_attempt(pk: uuid.UUID, token: str) -> None:
    attempt = Attempt.objects.select_related("assignment__task").get(pk=pk)
    started = time.monotonic()
    with _Lease(attempt.assignment_id, token):
        judgement = judge(
            attempt.assignment.task.spec(),
            language=attempt.language,
            source=attempt.code,
            evaluate=_telling(Attempt.objects.filter(pk=pk)),
        )
    record_attempt(pk, judgement, token=token, seconds=time.monotonic() - started)


def record_attempt(
    pk: uuid.UUID, judgement: Judgement, *, token: str, seconds: float
) -> Attempt | None:
    """Verdict, score, number and state in one transaction; None when the lease was lost.

    An IE costs no attempt and no time: the state goes back to where it was claimed from and the
    `seconds` that it took are given back.
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
        _store(attempt, judgement)
        if judgement.verdict == Verdict.IE:
            flow.give_back_time(assignment, seconds)
            if not attempt.automatic:
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


def _count(attempt: Attempt, assignment: Assignment, judgement: Judgement) -> None:
    """Number an attempt, keep the best, and move the state on."""
    assignment.attempts_used += 1
    attempt.number = assignment.attempts_used
    attempt.score = judgement.score
    assignment.best_passed = max(assignment.best_passed, judgement.passed)
    assignment.total_tests = judgement.total
    accepted = judgement.verdict == Verdict.AC
    Assignment.objects.filter(pk=assignment.pk).update(
        attempts_used=assignment.attempts_used,
        best_passed=assignment.best_passed,
        total_tests=assignment.total_tests,
    )
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
            logger.warning("evaluation %s was called off; its lease will expire", pk)
        except Exception:
            logger.exception("evaluation %s failed", pk)
        finally:
            connection.close()
            with _lock:
                _futures.pop(pk, None)

    def start() -> None:
        with _lock:
            _futures[pk] = _waiting.submit(guarded)

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


def recover_attempt(attempt: Attempt) -> bool:
    """Evaluate an attempt again whose lease has expired; whether it was started here."""
    if attempt.progress == Progress.DONE:
        return False
    token = uuid.uuid4().hex
    now = timezone.now()
    claimed = (
        Assignment.objects.filter(pk=attempt.assignment_id)
        .filter(Q(state=AssignmentState.EVALUATING) | Q(state=AssignmentState.CLOSED))
        .filter(lease_until__lte=now)
        .update(lease_token=token, lease_until=now + LEASE)
    )
    if claimed:
        _start(attempt.pk, lambda: _evaluate_attempt(attempt.pk, token))
    return bool(claimed)


def recover_run(run: CodeRun) -> None:
    """A run whose process died is an internal error: it cost nothing, send it again."""
    lost = timezone.now() - run.created_at > LOST_RUN
    if run.progress != Progress.DONE and lost and not is_here(run.pk):
        _store(run, Judgement(Verdict.IE, operator_detail="the process that ran it died"))
        run.save()


def recover(now: Any = None) -> int:
    """Evaluate again what a crash left in evaluation; how many were started."""
    now = now or timezone.now()
    lost = Attempt.objects.filter(
        ~Q(progress=Progress.DONE), assignment__lease_until__lte=now
    ).select_related("assignment")
    return sum(recover_attempt(attempt) for attempt in lost)


def check_last_draft(assignment: Assignment, now: Any = None) -> Attempt | None:
    """Check, once, the last draft of a task that the clock closed, if it was never checked."""
    now = now or timezone.now()
    claimed = Assignment.objects.filter(
        pk=assignment.pk, last_draft_checked=False, state=AssignmentState.CLOSED
    ).update(last_draft_checked=True)
    draft = getattr(assignment, "draft", None)
    if not claimed or draft is None or not draft.code.strip():
        return None
    starter = assignment.task.starter.get(draft.language, "")
    sent = assignment.attempts.filter(code=draft.code, language=draft.language).exists()
    if sent or draft.code.strip() == starter.strip():
        return None
    token = uuid.uuid4().hex
    with transaction.atomic():
        Assignment.objects.filter(pk=assignment.pk).update(
            lease_token=token, lease_until=now + LEASE
        )
        attempt = Attempt.objects.create(
            assignment=assignment,
            language=draft.language,
            code=draft.code,
            submission_id=f"last-draft-{assignment.pk}",
            automatic=True,
        )
    _start(attempt.pk, lambda: _evaluate_attempt(attempt.pk, token))
    return attempt


def check_last_drafts(now: Any = None) -> int:
    """`check_last_draft` for every task that the clock closed longer ago than the grace."""
    now = now or timezone.now()
    due = (
        Assignment.objects.filter(
            state=AssignmentState.CLOSED,
            last_draft_checked=False,
            close_reason__in=(CloseReason.TIME, CloseReason.SESSION),
            closed_at__lte=now - flow.DRAFT_GRACE,
            draft__isnull=False,
        )
        .select_related("draft", "task", "session")
        .distinct()
    )
    return sum(check_last_draft(assignment, now) is not None for assignment in due)


def drain(seconds: float) -> bool:
    """Wait until no evaluation runs in this process; False when some still do."""
    with _lock:
        running = list(_futures.values())
    return not wait_futures(running, timeout=seconds).not_done
