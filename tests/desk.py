"""People and rows for the tests of the admin."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from interviews.models import (
    Consent,
    InterviewSession,
    Invite,
    LLMCall,
    Message,
    Team,
    User,
)
from leaderboard import cells, scoring
from leaderboard.models import PlayerHold, Standing
from tasks.models import (
    Assignment,
    AssignmentMove,
    Attempt,
    CodeRun,
    Draft,
    Rejudge,
    Verification,
)
from telemetry import keys
from telemetry.models import (
    AntiCheatSignal,
    EventConflict,
    EventPrune,
    GameEvent,
    ModelVersion,
    QuarantinedEvent,
)
from tests.tasks.factories import TaskFactory

EVIL = '<script>alert("x")</script>'
_number = itertools.count(1)


# --- People -------------------------------------------------------------------------------------


def staff(nickname: str, *groups: str, teams: tuple[Team, ...] = (), **fields: Any) -> User:
    """Somebody who works here, in groups and teams."""
    user = User.objects.create_user(nickname=nickname, password="x", is_staff=True, **fields)
    user.groups.set(Group.objects.filter(name__in=groups))
    for team in teams:
        team.members.add(user)
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def root() -> User:
    return staff("root", is_superuser=True)


# --- Rows ---------------------------------------------------------------------------------------


def session(team: Team | None = None, **fields: Any) -> InterviewSession:
    now = timezone.now()
    defaults = {
        "candidate": User.objects.create_user(nickname=f"candidate-{next(_number)}"),
        "team": team,
        "track": "algorithms",
        "level": "middle",
        "started_at": now - timedelta(minutes=30),
        "ends_at": now + timedelta(minutes=30),
    }
    return InterviewSession.objects.create(**defaults | fields)


def invite(team: Team, **fields: Any) -> Invite:
    return Invite.objects.create(**{"team": team, "track": "data", "level": "junior"} | fields)


def assignment(team: Team | None = None, of: InterviewSession | None = None, **fields: Any) -> Any:
    of = of or session(team)
    now = timezone.now()
    defaults = {
        "session": of,
        "task": fields.pop("task", None) or TaskFactory(),
        "order": of.assignments.count() + 1,
        "issued_at": now - timedelta(minutes=20),
        "deadline": now + timedelta(minutes=10),
    }
    return Assignment.objects.create(**defaults | fields)


def attempt(team: Team | None = None, to: Assignment | None = None, **fields: Any) -> Attempt:
    number = next(_number)
    defaults = {
        "assignment": to or assignment(team),
        "submission_id": f"s{number}",
        "number": number,
        "language": "python",
        "code": "print(1)",
        "verdict": "WA",
        "progress": "done",
        "passed": 1,
        "total": 3,
        "score": 0.33,
    }
    return Attempt.objects.create(**defaults | fields)


def signal(team: Team | None = None, of: InterviewSession | None = None, **fields: Any) -> Any:
    number = next(_number)
    defaults = {
        "session": of or session(team),
        "event_id": f"e{number}",
        "type": "paste",
        "ts": timezone.now(),
        "payload": {"chars": 5, "source": "external", "text": "hello"},
    }
    return AntiCheatSignal.objects.create(**defaults | fields)


def event(**fields: Any) -> GameEvent:
    number = next(_number)
    now = timezone.now()
    defaults = {
        "event_id": f"event-{number}",
        "event_type": "task_result",
        "event_ts": now,
        "effective_ts": now,
        "received_at": now,
        "user_id": f"player-{number}",
        "model_version": "baseline_v1",
        "raw": f'{{"event_id": "event-{number}", "user_id": "player-{number}"}}',
    }
    return GameEvent.objects.create(**defaults | fields)


def quarantined(**fields: Any) -> QuarantinedEvent:
    defaults = {"index": 0, "reason": "missing_field", "detail": "user_id", "raw": '{"a": 1}'}
    return QuarantinedEvent.objects.create(**defaults | fields)


def standing(**fields: Any) -> Standing:
    """A cell of the standings, as events would have made it."""
    cell = {
        "user_id": f"player-{next(_number)}",
        "task_type": "default",
        "model_version": "",
        "day": timezone.now().date(),
    }
    sums = {
        "trials": 40,
        "correct": 30,
        "rt_count": 40,
        "rt_sum_ms": 40_000,
        "rt_sq_sum": 45_000_000,
        "points_milli": 12_000,
        "points_sq": 9_000_000,
    }
    for name, value in fields.items():
        (cell if name in cell else sums)[name] = value
    day = cell["day"]
    cell["day"] = date.fromisoformat(day) if isinstance(day, str) else day
    key = (*list(cell.values())[:3], cell["day"].toordinal())
    added = cells.Added({key: list(dataclasses.astuple(scoring.Sums(**sums)))})
    cells.upsert(added, cells.touch())
    return Standing.objects.get(**cell)


def _job() -> DBTaskResult:
    return DBTaskResult.objects.create(
        args_kwargs={"args": [], "kwargs": {}},
        task_path="interviews.jobs.sweep",
        backend_name="default",
        run_after=timezone.now(),
        status="FAILED",
        traceback="Traceback",
        exception_class_path="builtins.ValueError",
        finished_at=timezone.now(),
    )


def _log_entry() -> LogEntry:
    by = User.objects.create_user(nickname=f"someone-{next(_number)}")
    kind = ContentType.objects.get_for_model(Team)
    return LogEntry.objects.create(
        user=by, content_type=kind, object_repr="x", action_flag=CHANGE, change_message="Exported."
    )


ROWS: dict[str, Callable[[Team], Any]] = {
    "interviews.InterviewSession": lambda team: attempt(
        to=assignment(of=session(team, invite=invite(team), needs_review=True))
    ),
    "interviews.Invite": lambda team: invite(
        team, created_by=User.objects.create_user(nickname=f"by-{next(_number)}"), email="a@b.org"
    ),
    "interviews.Message": lambda team: Message.objects.create(
        session=session(team), seq=1, role="candidate", text="hello"
    ),
    "interviews.Consent": lambda team: Consent.objects.create(
        session=session(team), version="1", taken_by="candidate"
    ),
    "interviews.LLMCall": lambda team: LLMCall.objects.create(
        session=session(team), purpose="reply", model="m", prompt_version="1", outcome="ok"
    ),
    "interviews.User": lambda team: staff(f"staff-{next(_number)}", "Recruiters"),
    "interviews.Team": lambda team: Team.objects.create(name=f"team-{next(_number)}"),
    "auth.Group": lambda team: Group.objects.create(name=f"group-{next(_number)}"),
    "tasks.CodingTask": lambda team: TaskFactory(),
    "tasks.Verification": lambda team: Verification.objects.create(
        task=TaskFactory(), fingerprint="0" * 64
    ),
    "tasks.Rejudge": lambda team: Rejudge.objects.create(reason="mended"),
    "tasks.Assignment": lambda team: assignment(team),
    "tasks.AssignmentMove": lambda team: AssignmentMove.objects.create(
        assignment=assignment(team), new="task_issued"
    ),
    "tasks.Attempt": lambda team: attempt(team),
    "tasks.CodeRun": lambda team: CodeRun.objects.create(
        assignment=assignment(team), language="python", code="print(1)"
    ),
    "tasks.Draft": lambda team: Draft.objects.create(
        assignment=assignment(team), language="python", code="print(1)"
    ),
    "telemetry.GameEvent": lambda team: event(),
    "telemetry.QuarantinedEvent": lambda team: quarantined(),
    "telemetry.EventPrune": lambda team: EventPrune.objects.create(
        kind=EventPrune.Kind.AGE, before=timezone.now(), events=3
    ),
    "telemetry.EventConflict": lambda team: EventConflict.objects.create(
        event=event(), digest="1" * 64, raw="{}"
    ),
    "telemetry.ApiKey": lambda team: keys.make(name="game")[0],
    "telemetry.ModelVersion": lambda team: ModelVersion.objects.create(
        name=f"model-{next(_number)}"
    ),
    "telemetry.AntiCheatSignal": lambda team: signal(team),
    "leaderboard.Standing": lambda team: standing(),
    "leaderboard.PlayerHold": lambda team: PlayerHold.objects.create(
        user_id=f"player-{next(_number)}", reason="odd", evidence={"trials": 40}
    ),
    "django_tasks_database.DBTaskResult": lambda team: _job(),
    "admin.LogEntry": lambda team: _log_entry(),
}


def registered() -> dict[str, Any]:
    """Every model of the admin, by label."""
    return {model._meta.label: each for model, each in admin.site._registry.items()}


def address(model: Any, name: str = "changelist", *args: Any) -> str:
    """The address of an admin page, by a model, its label, or an object of it."""
    if isinstance(model, str):
        app_label, model_name = model.lower().split(".")
    else:
        app_label, model_name = model._meta.app_label, model._meta.model_name
    return reverse(f"admin:{app_label}_{model_name}_{name}", args=args)


def page_of(obj: Any, name: str = "change") -> str:
    return address(obj, name, obj.pk)


# --- Pages --------------------------------------------------------------------------------------


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every element of a page with its attributes."""
    parser = _Elements()
    parser.feed(html)
    return parser.found


def inline_scripts(html: str) -> list[Any]:
    """What the policy forbids: scripts in the page, and handlers in attributes."""
    found: list[Any] = []
    for tag, attrs in elements(html):
        if tag == "script" and "src" not in attrs and attrs.get("type") != "application/json":
            found.append((tag, attrs))
        found += [(tag, name) for name in attrs if name.startswith("on")]
    return found
