"""An interview as one page: the summary first, then everything that happened, in order.

Assembled from the records in a fixed number of queries; nothing is written. Texts of the
candidate stay as they are: whoever shows them escapes them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from interviews import integrity
from interviews.models import Consent, InterviewSession
from tasks.enums import AssignmentState, CloseReason
from tasks.models import Assignment, AssignmentMove, Attempt
from tasks.selection import LEVEL_MEANS
from telemetry.integrity import TITLES, Integrity, Signal, examine

# What only says that somebody works: shown as counts between what matters.
QUIET = {
    "edit", "keystroke_batch", "blur", "focus", "visibility_hidden", "visibility_visible",
    "fullscreen_enter", "cut",
}  # fmt: skip
NOTABLE_AWAY_MS = 10_000
SHOWN_CHARS = 4_000
SCALE = 3.0


@dataclass(frozen=True, slots=True)
class Ability:
    """Theta with its error, and what it means. `chance` is that of a task of difficulty 0."""

    theta: float
    se: float
    level_mean: float
    tasks: int

    @property
    def low(self) -> float:
        return self.theta - 2 * self.se

    @property
    def high(self) -> float:
        return self.theta + 2 * self.se

    @property
    def chance(self) -> int:
        """Per cent, under the 2PL model with a discrimination of 1."""
        return round(100 / (1 + math.exp(-self.theta)))

    def place(self, theta: float) -> float:
        """Where a theta stands on a scale from -3 to 3, in per cent of its width."""
        return round(100 * (min(SCALE, max(-SCALE, theta)) + SCALE) / (2 * SCALE), 1)

    @property
    def marks(self) -> dict[str, str]:
        """Places on the scale as CSS lengths: the same in every locale."""
        low, high = self.place(self.low), self.place(self.high)
        return {
            "low": f"{low}%",
            "width": f"{high - low:.1f}%",
            "theta": f"{self.place(self.theta)}%",
            "level": f"{self.place(self.level_mean)}%",
        }


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task in the summary. Time in minutes, from being issued to being done."""

    assignment: Assignment
    title: str
    attempts: int
    runs: int
    minutes: float
    allowed: float

    @property
    def verdict(self) -> str:
        """The best that was reached, else the last verdict."""
        found = [attempt.verdict for attempt in self.assignment.attempts.all() if attempt.number]
        return "AC" if "AC" in found else (found[-1] if found else "")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. `kind` chooses how it is shown; `about` is what it shows."""

    at: datetime
    kind: str
    about: Any = None
    task: str = ""
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelCalls:
    calls: int
    failed: int
    tokens: int
    failures: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Report:
    session: InterviewSession
    state: str
    consent: Consent | None
    ability: Ability
    tasks: list[TaskLine]
    integrity: Integrity
    calls: ModelCalls
    used: timedelta
    allowed: timedelta
    messages: int
    timeline: list[Entry]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Signals by what they say, most frequent first."""
        return [(titled(kind), count) for kind, count in self.integrity.counts.items()]

    @property
    def accepted(self) -> int:
        return sum(line.assignment.close_reason == "accepted" for line in self.tasks)


def report(session: InterviewSession, *, now: datetime | None = None) -> Report:
    """Everything about one interview."""
    now = now or timezone.now()
    assignments = list(
        session.assignments.select_related("task", "draft").prefetch_related(
            "attempts", "runs", "moves", "task__translations", "task__tests"
        )
    )
    signals = integrity.signals_of(session)
    found = examine(integrity.case_of(session, signals))
    messages = list(session.messages.all())
    ended = session.ended_at(now)
    return Report(
        session=session,
        state=session.current_state(now),
        consent=Consent.objects.filter(session=session).first(),
        ability=Ability(
            session.theta,
            session.theta_se,
            LEVEL_MEANS[session.level],
            sum(assignment.closed_at is not None for assignment in assignments),
        ),
        tasks=[_line(assignment, session.locale, ended or now) for assignment in assignments],
        integrity=found,
        calls=_calls(session),
        used=(ended or session.paused_at or now) - session.started_at,
        allowed=session.ends_at - session.started_at,
        messages=sum(message.role == "candidate" for message in messages),
        timeline=folded(
            [
                Entry(session.started_at, "started"),
                *(Entry(message.created_at, "message", message) for message in messages),
                *_work(assignments),
                *_signals(signals, {str(a.task_id): a.task.slug for a in assignments}),
                *([Entry(ended, "ended")] if ended else []),
            ]
        ),
    )


def _line(assignment: Assignment, locale: str, until: datetime) -> TaskLine:
    ended = assignment.closed_at or until
    return TaskLine(
        assignment=assignment,
        title=assignment.task.text(locale).title,
        attempts=assignment.attempts_used,
        runs=len(assignment.runs.all()),
        minutes=max(0.0, (ended - assignment.issued_at).total_seconds() / 60),
        allowed=(assignment.deadline - assignment.issued_at).total_seconds() / 60,
    )


def _calls(session: InterviewSession) -> ModelCalls:
    failed = ~Q(outcome="ok")
    sums = session.llm_calls.aggregate(
        calls=Count("pk"),
        failed=Count("pk", filter=failed),
        into=Sum("prompt_tokens"),
        out=Sum("completion_tokens"),
    )
    rows = session.llm_calls.filter(failed).values_list("outcome").annotate(Count("pk")).order_by()
    return ModelCalls(
        calls=sums["calls"],
        failed=sums["failed"],
        tokens=(sums["into"] or 0) + (sums["out"] or 0),
        failures=[(outcome, count) for outcome, count in rows],
    )


# --- The timeline -------------------------------------------------------------------------------


def _work(assignments: Iterable[Assignment]) -> Iterator[Entry]:
    """What was done on the tasks: moves, attempts, runs, the draft as it was left."""
    for assignment in assignments:
        slug = assignment.task.slug
        for move in assignment.moves.all():
            yield Entry(move.at, "move", move, slug, _moved(move))
        for attempt in assignment.attempts.all():
            more: dict[str, Any] = {"tests": test_rows(attempt, assignment)}
            yield Entry(attempt.created_at, "attempt", attempt, slug, more)
        for run in assignment.runs.all():
            given = cut(run.args if run.stdin is None else run.stdin)
            more = {"given": given, "output": _output(run.result)}
            yield Entry(run.created_at, "run", run, slug, more)
        draft = getattr(assignment, "draft", None)
        if draft is not None:
            yield Entry(draft.saved_at, "draft", draft, slug)


def _moved(move: AssignmentMove) -> dict[str, Any]:
    """The states of a move in words."""
    states = dict(AssignmentState.choices)
    reasons = dict(CloseReason.choices)
    return {
        "old": states.get(move.old, move.old),
        "new": states.get(move.new, move.new),
        "note": reasons.get(move.note, move.note),
    }


def _output(result: Any) -> str:
    """What a run wrote, standard error below; cut."""
    if not isinstance(result, dict):
        return ""
    shown = result.get("own") or next(iter(result.get("tests") or []), None) or {}
    parts = [result.get("compile_output"), shown.get("stdout"), shown.get("stderr")]
    return cut("\n".join(str(part) for part in parts if part))


def cut(text: Any) -> str:
    """A text of which a page can hold many; what is no text as JSON, nothing as an empty one."""
    if text is None:
        return ""
    written = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    return written if len(written) <= SHOWN_CHARS else written[:SHOWN_CHARS] + "\n…"


def test_rows(attempt: Attempt, assignment: Assignment) -> list[dict[str, Any]]:
    """An attempt by test, hidden ones too; what the bank holds of them comes from the bank."""
    result = attempt.result if isinstance(attempt.result, dict) else {}
    bank = {test.name: test for test in assignment.task.tests.all()}
    rows = []
    for test in result.get("tests") or []:
        known = bank.get(test.get("name"))
        given = test.get("stdin") if test.get("args") is None else test.get("args")
        wanted = test.get("expected")
        if known is not None and not test.get("visible"):
            given = known.stdin if known.args is None else known.args
            wanted = known.expected
        rows.append(
            {
                "name": test.get("name", ""),
                "visible": bool(test.get("visible")),
                "verdict": test.get("verdict", ""),
                "passed": test.get("verdict") == "AC",
                "duration": test.get("duration"),
                "memory_kb": test.get("memory_kb"),
                "given": cut(given),
                "expected": cut(wanted),
                "stdout": cut(test.get("returned") or test.get("stdout")),
                "stderr": cut(test.get("stderr")),
            }
        )
    return rows


def _signals(signals: Iterable[Signal], slugs: dict[str, str]) -> Iterator[Entry]:
    for signal in signals:
        if signal.type in QUIET and signal.number("away_ms") < NOTABLE_AWAY_MS:
            yield Entry(signal.at, "quiet", {titled(signal.type): 1}, more={"until": signal.at})
            continue
        away_s = round(signal.number("away_ms") / 1000)
        slug = slugs.get(signal.task_id, "")
        yield Entry(signal.at, "signal", signal, slug, _said(signal, away_s))


def titled(kind: str) -> str:
    """What a signal of this type says, for people."""
    return str(TITLES.get(kind, kind))


def folded(entries: Iterable[Entry]) -> list[Entry]:
    """Entries in order of time, with quiet ones that follow each other added up."""
    found: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: entry.at):
        last = found[-1] if found else None
        if entry.kind == "quiet" and last is not None and last.kind == "quiet":
            for kind, count in entry.about.items():
                last.about[kind] = last.about.get(kind, 0) + count
            last.more["until"] = entry.more["until"]
        else:
            found.append(entry)
    return found


def _said(signal: Signal, away_s: int) -> dict[str, Any]:
    rest = {
        name: value
        for name, value in signal.payload.items()
        if name not in ("text", "sha256", "chars", "source", "place", "away_ms", "edits")
    }
    return {
        "title": titled(signal.type),
        "text": signal.text(),
        "chars": signal.chars if signal.text() or signal.number("chars") else 0,
        "source": signal.text("source"),
        "place": signal.text("place"),
        "away_s": away_s,
        "rest": rest,
    }
