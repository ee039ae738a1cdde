"""From the records to the interviewer's context: what it may know, and nothing of hidden tests."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from interviews.interviewer.context import (
    AttemptView,
    InterviewContext,
    TaskView,
    TestView,
    Turn,
)
from interviews.models import InterviewSession, Message
from interviews.models.conversation import MessageKind, MessageStatus
from tasks.enums import CloseReason, Verdict
from tasks.judgement import Judgement, TestResult
from tasks.models import Assignment, Attempt, CodeRun, Evaluation, Progress

HISTORY_TURNS = 40


def context_for(reply: Message, now: datetime | None = None) -> InterviewContext:
    """The situation in which `reply` is to be written."""
    now = now or timezone.now()
    session = reply.session
    attempt = _attempt_named_by(reply)
    assignment = attempt.assignment if attempt else session.assignments.open().first()
    evaluation: Evaluation | None = attempt
    if reply.kind == MessageKind.CHAT:
        evaluation = _latest_evaluation(session, assignment)
    elif reply.kind == MessageKind.PROOF and evaluation is None:
        evaluation = _judged(session).last()
    earlier = _earlier(reply)
    draft = getattr(assignment, "draft", None) if assignment else None
    return InterviewContext(
        kind=reply.kind,
        locale=session.locale,
        track=session.track,
        level=session.level,
        candidate=session.candidate.get_short_name(),
        text=reply.reply_to.text if reply.reply_to else "",
        seed=str(reply.pk),
        task=_task(assignment, session.locale) if assignment else None,
        hints_given=assignment.hints_given if assignment else 0,
        attempt=_attempt(evaluation) if evaluation else None,
        attempts_left=_attempts_left(assignment) if assignment else None,
        draft=draft.code if draft else "",
        draft_language=draft.language if draft else "",
        seconds_left=session.seconds_left(now),
        task_seconds_left=(assignment.deadline - now).total_seconds() if assignment else None,
        tasks_accepted=session.assignments.filter(close_reason=CloseReason.ACCEPTED).count(),
        tasks_seen=session.assignments.count(),
        asked=_asked(earlier, assignment),
        history=tuple(Turn(message.role, message.text) for message in earlier if message.text),
    )


def _judged(session: InterviewSession) -> Any:
    return (
        Attempt.objects.filter(assignment__session=session, progress=Progress.DONE)
        .select_related("assignment__task", "assignment__draft")
        .order_by("created_at")
    )


def _attempt_named_by(reply: Message) -> Attempt | None:
    key = reply.meta.get("attempt_id")
    return _judged(reply.session).filter(pk=key).first() if key else None


def _latest_evaluation(
    session: InterviewSession, assignment: Assignment | None
) -> Evaluation | None:
    """The last attempt, or a later run on the visible tests that failed."""
    attempts = _judged(session)
    if assignment:
        attempts = attempts.filter(assignment=assignment)
    attempt = attempts.last()
    runs = CodeRun.objects.filter(
        assignment=assignment, progress=Progress.DONE, stdin__isnull=True, args__isnull=True
    ).exclude(verdict__in=(Verdict.AC, ""))
    run = runs.order_by("created_at").last() if assignment else None
    if run and (attempt is None or run.created_at > attempt.created_at):
        return run
    return attempt


def _earlier(reply: Message) -> list[Message]:
    """The messages before `reply` and before the one it answers, oldest first."""
    before = reply.reply_to.seq if reply.reply_to else reply.seq
    rows = reply.session.messages.filter(seq__lt=before).exclude(status=MessageStatus.PENDING)
    return list(rows.order_by("-seq")[:HISTORY_TURNS])[::-1]


def _asked(earlier: list[Message], assignment: Assignment | None) -> frozenset[str]:
    task_id = assignment.task_id if assignment else None
    topics = (message.meta.get("topic") for message in earlier if message.task_id == task_id)
    return frozenset(topic for topic in topics if topic)


def _attempts_left(assignment: Assignment) -> int:
    return max(0, settings.TASK_ATTEMPTS - assignment.attempts_used)


def _task(assignment: Assignment, locale: str) -> TaskView:
    task = assignment.task
    text = task.text(locale)
    return TaskView(
        title=text.title,
        statement=text.statement,
        kind=task.kind,
        languages=tuple(task.languages),
        tests=tuple(
            TestView(
                test.name,
                given=test.stdin if test.args is None else _json(test.args),
                expected=_text(test.expected, called=test.args is not None),
            )
            for test in task.tests.filter(visible=True)
        ),
        hints=tuple(text.hints),
        time_s=task.cpu_s,
        memory_mb=task.memory_mb,
        minutes=max(1, round((assignment.deadline - assignment.issued_at).total_seconds() / 60)),
    )


def _attempt(evaluation: Evaluation) -> AttemptView:
    seen = AttemptView(
        verdict=evaluation.verdict,
        passed=evaluation.passed,
        total=evaluation.total,
        number=getattr(evaluation, "number", None),
        language=evaluation.language,
        code=evaluation.code,
    )
    try:
        judgement = Judgement.from_record((evaluation.result or {}).get("judgement") or {})
    except ValueError:
        return seen
    return AttemptView(
        verdict=seen.verdict,
        passed=seen.passed,
        total=seen.total,
        number=seen.number,
        language=seen.language,
        code=seen.code,
        tests=tuple(_visible(test) for test in judgement.tests if test.visible),
        stderr=judgement.stderr,
        compile_output=judgement.compile_output,
    )


def _visible(test: TestResult) -> TestView:
    called = test.args is not None
    return TestView(
        test.name,
        given=_json(test.args) if called else test.stdin or "",
        expected=_text(test.expected, called=called),
        verdict=test.verdict.value,
        stdout=(test.returned or "") if called else test.stdout,
        stderr=test.stderr,
        exit_code=test.exit_code,
        exit_signal=test.exit_signal or "",
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(expected: Any, *, called: bool) -> str:
    return expected if isinstance(expected, str) and not called else _json(expected)
