"""What the task endpoints read and write."""

from __future__ import annotations

import json
import re
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework import serializers

from neurogame.problems import Problem
from tasks import offers
from tasks.enums import Kind
from tasks.judgement import Judgement
from tasks.markdown import to_html
from tasks.models import Assignment, Attempt, CodeRun, Progress

MAX_CODE = 128 << 10
MAX_INPUT = 64 << 10
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # in JSON text


class TaskRefSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField(max_length=64)
    task_id = serializers.CharField(max_length=64)


class CodeSerializer(TaskRefSerializer):
    language = serializers.CharField(max_length=20)
    code = serializers.CharField(allow_blank=True, trim_whitespace=False)

    def validate_code(self, value: str) -> str:
        if len(value.encode()) > MAX_CODE:
            raise Problem("too_large", _("A program may have up to 128 KiB."))
        return value


class DraftSerializer(CodeSerializer):
    version = serializers.IntegerField(min_value=0, max_value=2**53)


class DraftSavedSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    version = serializers.IntegerField()
    saved_at = serializers.DateTimeField()


class RunSerializer(CodeSerializer):
    stdin = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, trim_whitespace=False
    )
    args = serializers.ListField(required=False, allow_null=True)

    def validate_stdin(self, value: str | None) -> str | None:
        if value is not None and len(value.encode()) > MAX_INPUT:
            raise Problem("too_large", _("An input may have up to 64 KiB."))
        return value

    def validate_args(self, value: list[Any] | None) -> list[Any] | None:
        if value is None:
            return value
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            size = 0 if _NUL.search(text) else len(text.encode())
        except ValueError:  # a number beyond a double, half of a surrogate pair
            size = 0
        if not size:
            raise serializers.ValidationError(_("It holds characters that cannot be stored."))
        if size > MAX_INPUT:
            raise Problem("too_large", _("An input may have up to 64 KiB."))
        return value


class CheckSerializer(CodeSerializer):
    submission_id = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=128
    )


class TestResultSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    visible = serializers.BooleanField()
    verdict = serializers.CharField()
    passed = serializers.BooleanField()
    duration = serializers.FloatField(allow_null=True)
    cpu_time = serializers.FloatField(required=False)
    memory_kb = serializers.IntegerField(required=False)
    exit_code = serializers.IntegerField(required=False, allow_null=True)
    exit_signal = serializers.CharField(required=False, allow_null=True)
    truncated = serializers.BooleanField(required=False)
    stdin = serializers.CharField(required=False)
    args = serializers.ListField(child=serializers.JSONField(), required=False)
    expected = serializers.JSONField(required=False)
    stdout = serializers.CharField(required=False)
    stderr = serializers.CharField(required=False)
    returned = serializers.CharField(required=False, allow_null=True)
    skipped = serializers.BooleanField(required=False)


class GroupResultSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    points = serializers.IntegerField()
    earned = serializers.IntegerField()
    passed = serializers.BooleanField()


class ResultSerializer(serializers.Serializer[Any]):
    """The answer to a run or a check, for the schema."""

    verdict = serializers.CharField()
    stdout = serializers.CharField()
    stderr = serializers.CharField()
    duration = serializers.FloatField()
    cpu_time = serializers.FloatField()
    memory_kb = serializers.IntegerField()
    exit_code = serializers.IntegerField(allow_null=True)
    exit_signal = serializers.CharField(allow_null=True)
    compile_output = serializers.CharField()
    truncated = serializers.BooleanField()
    sandbox = serializers.CharField()
    enforcement = serializers.CharField()
    tests = TestResultSerializer(many=True)
    groups = GroupResultSerializer(many=True, required=False)
    passed = serializers.IntegerField()
    total = serializers.IntegerField()
    attempt = serializers.IntegerField(required=False)
    score = serializers.FloatField(required=False)
    state = serializers.CharField(required=False)


class QueuedSerializer(serializers.Serializer[Any]):
    run_id = serializers.CharField()
    status = serializers.ChoiceField(choices=["queued", "running"])


class VisibleTestSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    stdin = serializers.CharField(required=False)
    args = serializers.ListField(child=serializers.JSONField(), required=False)
    expected = serializers.JSONField()


class LimitsSerializer(serializers.Serializer[Any]):
    time_s = serializers.FloatField()
    memory_mb = serializers.IntegerField()
    output_kb = serializers.IntegerField()


class TaskSerializer(serializers.Serializer[Any]):
    """A task as its candidate sees it, for the schema: what `task_answer` makes."""

    id = serializers.CharField()
    slug = serializers.CharField()
    title = serializers.CharField()
    statement = serializers.CharField()
    statement_html = serializers.CharField()
    track = serializers.CharField()
    difficulty = serializers.FloatField()
    kind = serializers.CharField()
    entry = serializers.CharField()
    languages = serializers.ListField(child=serializers.CharField())
    language_versions = serializers.DictField(child=serializers.CharField())
    starter = serializers.DictField(child=serializers.CharField())
    visible_tests = VisibleTestSerializer(many=True)
    limits = LimitsSerializer()
    time_limit_s = serializers.IntegerField()
    issued_at = serializers.DateTimeField()
    deadline = serializers.DateTimeField()
    order = serializers.IntegerField()
    attempts_used = serializers.IntegerField()
    attempts_left = serializers.IntegerField()


class NextSerializer(serializers.Serializer[Any]):
    state = serializers.CharField()
    task = TaskSerializer(allow_null=True)
    reason = serializers.CharField(required=False)


def require_language(assignment: Assignment, language: str) -> None:
    offered = offers.offered(assignment.task, offers.known())
    if language not in offered:
        known = ", ".join(offered)
        raise serializers.ValidationError(
            {"language": [_("One of: %(known)s.") % {"known": known}]}
        )


def task_answer(assignment: Assignment, locale: str) -> dict[str, Any]:
    """A task as its candidate sees it: nothing of the hidden tests but that they exist."""
    task = assignment.task
    text = task.text(locale)
    seconds = (assignment.deadline - assignment.issued_at).total_seconds()
    limits = task.limits
    known = offers.known()
    offered = offers.offered(task, known)
    return {
        "id": str(task.pk),
        "slug": task.slug,
        "title": text.title,
        "statement": text.statement,
        "statement_html": to_html(text.statement),
        "track": task.track,
        "difficulty": task.difficulty,
        "kind": task.kind,
        "entry": task.entry,
        "languages": offered,
        "language_versions": offers.versions(offered, known),
        "starter": offers.starters(task, offered),
        "visible_tests": [
            {
                "name": test.name,
                **({"args": test.args} if task.kind == Kind.FUNCTION else {"stdin": test.stdin}),
                "expected": test.expected,
            }
            for test in task.tests.all()
            if test.visible
        ],
        "limits": {
            "time_s": limits.time_s,
            "memory_mb": limits.memory_mb,
            "output_kb": limits.output_kb,
        },
        "time_limit_s": round(seconds),
        "issued_at": assignment.issued_at,
        "deadline": assignment.deadline,
        "order": assignment.order,
        "attempts_used": assignment.attempts_used,
        "attempts_left": max(0, settings.TASK_ATTEMPTS - assignment.attempts_used),
    }


def result_answer(evaluation: Attempt | CodeRun) -> dict[str, Any]:
    """The contract's answer to a run or check that is done."""
    record = evaluation.result or {}
    checked = isinstance(evaluation, Attempt)
    answer = Judgement.from_record(record["judgement"]).as_answer(score=checked)
    answer["run_id"] = str(evaluation.pk)
    if isinstance(evaluation, Attempt):
        answer |= {
            "attempt": record["attempt"],
            "state": record["state"],
            "submission_id": evaluation.submission_id,
        }
    return answer


def queued_answer(evaluation: Attempt | CodeRun) -> dict[str, str]:
    """The 202 of a run or check that has not been answered yet."""
    running = evaluation.progress == Progress.RUNNING
    return {"run_id": str(evaluation.pk), "status": "running" if running else "queued"}


def attempt_answer(attempt: Attempt) -> dict[str, Any]:
    """An attempt in the session's answer."""
    return {
        "attempt": attempt.number,
        "task_id": str(attempt.assignment.task_id),
        "submission_id": attempt.submission_id,
        "language": attempt.language,
        "code": attempt.code,
        "verdict": attempt.verdict or None,
        "passed": attempt.passed,
        "total": attempt.total,
        "score": attempt.score,
        "created_at": attempt.created_at,
    }
