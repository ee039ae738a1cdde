"""What the interviewer knows when it speaks: plain data, without the database.

Both interviewers, the script and the model, get nothing else. Hidden tests have no place here:
a `TestView` is always a visible test.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TestView:
    """A visible test of the task, or how the latest attempt did on it."""

    __test__ = False

    name: str
    given: str
    expected: str
    verdict: str = ""
    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None
    exit_signal: str = ""

    @property
    def failed(self) -> bool:
        return self.verdict not in ("", "AC")


@dataclass(frozen=True, slots=True)
class TaskView:
    """The open task in the language of the interview; `hints` are all of them, in order."""

    title: str
    statement: str
    kind: str = "stdio"
    languages: tuple[str, ...] = ()
    tests: tuple[TestView, ...] = ()
    hints: tuple[str, ...] = ()
    time_s: float = 2.0
    memory_mb: int = 256
    minutes: int = 15


@dataclass(frozen=True, slots=True)
class AttemptView:
    """A judged attempt: the whole verdict, the counts over all tests, details of visible ones."""

    verdict: str
    passed: int = 0
    total: int = 0
    number: int | None = None
    language: str = ""
    code: str = ""
    tests: tuple[TestView, ...] = ()
    stderr: str = ""
    compile_output: str = ""

    @property
    def first_failed(self) -> TestView | None:
        return next((test for test in self.tests if test.failed), None)


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message; `role` is interviewer or candidate."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class InterviewContext:
    """The situation in which one message is written.

    `kind` is why the interviewer speaks (a `MessageKind`); `text` is the candidate's message for
    a chat; `seed` chooses among phrasings and is the reply's id. Times are in seconds, None where
    there is no such limit. `hints_given` counts the hints of the open task.
    """

    kind: str = "chat"
    locale: str = "en"
    track: str = "algorithms"
    level: str = "junior"
    candidate: str = ""
    text: str = ""
    seed: str = ""
    task: TaskView | None = None
    hints_given: int = 0
    attempt: AttemptView | None = None
    attempts_left: int | None = None
    draft: str = ""
    draft_language: str = ""
    seconds_left: float | None = None
    task_seconds_left: float | None = None
    tasks_accepted: int = 0
    tasks_seen: int = 0
    asked: frozenset[str] = frozenset()
    """Topics that the interviewer has raised about this task already: approach, complexity …"""
    history: tuple[Turn, ...] = field(default=())
