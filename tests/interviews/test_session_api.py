from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from interviews import flow
from interviews.models import InterviewSession, Invite, Team
from tests.tasks.factories import SessionFactory, TaskFactory

pytestmark = pytest.mark.django_db

BASIC = {"track": "backend", "level": "junior"}


def start(api, **body):
    return api.post("/interview/start", {**BASIC, **body}, format="json")


@pytest.fixture
def invite(db):
    return Invite.objects.create(
        team=Team.objects.create(name="Core"), track="data", level="senior", time_factor="1.5"
    )


def test_start_answers_a_session_with_a_greeting(api):
    answer = start(api, locale="ru", consent={"version": "1", "signals": True})
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {
        "session_id",
        "track",
        "level",
        "locale",
        "greeting",
        "state",
        "started_at",
        "ends_at",
    }
    assert (body["state"], body["locale"]) == ("active", "ru")
    whole = api.get(f"/interview/{body['session_id']}").json()
    assert [m["text"] for m in whole["messages"]] == [body["greeting"]]
    assert whole["messages"][0]["role"] == "interviewer"


def test_start_without_consent_names_the_client(api):
    start(api)
    consent = InterviewSession.objects.get().consent
    assert (consent.version, consent.taken_by) == ("client", "client: ?")


def test_starting_the_same_again_answers_it_and_another_is_409(api):
    first = start(api).json()
    again = start(api)
    assert (again.status_code, again.json()["session_id"]) == (200, first["session_id"])
    other = start(api, level="senior")
    assert other.status_code == 409
    assert (other.json()["code"], other.json()["session_id"]) == (
        "session_active",
        first["session_id"],
    )


def test_an_expired_session_does_not_count(api, candidate):
    now = timezone.now()
    old = SessionFactory(
        candidate=candidate, started_at=now - timedelta(hours=2), ends_at=now - timedelta(hours=1)
    )
    assert start(api).status_code == 201
    old.refresh_from_db()
    assert (old.state, old.finish_reason, old.finished_at) == ("finished", "time", old.ends_at)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"track": "cooking"}, "track"),
        ({"level": None}, "level"),
        ({"track": ["backend"]}, "track"),
        ({"locale": "xx"}, "locale"),
        ({"invite": "nonsense"}, "invite"),
        ({"consent": {"signals": True}}, "consent.version"),
        ({"consent": "yes"}, "consent.non_field_errors"),
    ],
)
def test_start_refuses(api, body, field):
    answer = start(api, **body)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_invite_fixes_the_terms(api, invite):
    answer = api.post("/interview/start", {"invite": invite.token}, format="json")
    assert answer.status_code == 201
    session = InterviewSession.objects.get()
    assert (session.track, session.level, session.team) == ("data", "senior", invite.team)
    assert session.ends_at - session.started_at == timedelta(minutes=135)
    again = api.post("/interview/start", {"invite": invite.token}, format="json")
    assert again.status_code == 200


def test_invite_contradicted_is_400(api, invite):
    answer = start(api, invite=invite.token)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {"track", "level"}


@pytest.mark.parametrize("field", ["used_at", "revoked_at", "expires_at"])
def test_invite_that_is_over_is_409(api, invite, field):
    setattr(invite, field, timezone.now())
    invite.save()
    answer = api.post("/interview/start", {"invite": invite.token}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "invite_used")


def test_closed_server_wants_an_invite(api, invite, settings):
    settings.OPEN_SESSIONS = False
    answer = start(api)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_invited")
    assert api.post("/interview/start", {"invite": invite.token}, format="json").status_code == 201


def test_session_answer_has_exactly_the_contract_and_more(api):
    session_id = start(api).json()["session_id"]
    body = api.get(f"/interview/{session_id}").json()
    wanted = {
        "session_id",
        "track",
        "level",
        "locale",
        "greeting",
        "state",
        "started_at",
        "ends_at",
        "server_time",
        "messages",
        "task",
        "task_state",
        "attempts",
        "draft",
    }
    assert wanted <= set(body)
    assert (body["task"], body["task_state"], body["draft"], body["attempts"]) == (
        None,
        None,
        None,
        [],
    )


def test_finish_is_idempotent_and_ends_writes(api):
    TaskFactory(track="backend")
    session_id = start(api).json()["session_id"]
    task = api.get("/tasks/next", {"session_id": session_id}).json()["task"]
    first = api.post("/interview/finish", {"session_id": session_id}, format="json").json()
    assert set(first) == {"session_id", "state", "finished_at"}
    again = api.post("/interview/finish", {"session_id": session_id}, format="json")
    assert (again.status_code, again.json()) == (200, first)
    reference = {"session_id": session_id, "task_id": task["id"]}
    code = {**reference, "language": "python", "code": "print(1)"}
    for path, body in (
        ("/tasks/skip", reference),
        ("/tasks/run", code),
        ("/tasks/check", code),
    ):
        answer = api.post(path, body, format="json")
        assert (answer.status_code, answer.json()["state"]) == (409, "finished"), path
    end = api.get("/tasks/next", {"session_id": session_id}).json()
    assert end == {"state": "finished", "task": None, "reason": "ended"}


def test_state_is_derived_from_the_clock(api, candidate):
    now = timezone.now()
    session = SessionFactory(
        candidate=candidate,
        started_at=now - timedelta(hours=2),
        ends_at=now - timedelta(seconds=1),
    )
    assert api.get(f"/interview/{session.pk}").json()["state"] == "finished"
    answer = api.post("/interview/finish", {"session_id": str(session.pk)}, format="json").json()
    session.refresh_from_db()
    assert session.finished_at == session.ends_at
    assert answer["state"] == "finished"
    end = api.get("/tasks/next", {"session_id": str(session.pk)}).json()
    assert end["reason"] == "time"


def test_sweep_closes_once(candidate):
    now = timezone.now()
    SessionFactory(
        candidate=candidate, started_at=now - timedelta(hours=2), ends_at=now - timedelta(hours=1)
    )
    assert flow.sweep()["closed"] == 1
    assert flow.sweep()["closed"] == 0


@pytest.mark.parametrize("key", ["nonsense", "00000000-0000-0000-0000-000000000000", "%00"])
def test_unknown_sessions_are_404(api, key):
    answer = api.get(f"/interview/{key}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_stranger_sees_nothing(api, stranger_api):
    TaskFactory(track="backend")
    session_id = start(api).json()["session_id"]
    task_id = api.get("/tasks/next", {"session_id": session_id}).json()["task"]["id"]
    reference = {"session_id": session_id, "task_id": task_id}
    code = {**reference, "language": "python", "code": "x"}
    answers = [
        stranger_api.get(f"/interview/{session_id}"),
        stranger_api.post("/interview/finish", {"session_id": session_id}, format="json"),
        stranger_api.get("/tasks/next", {"session_id": session_id}),
        stranger_api.post("/tasks/skip", reference, format="json"),
        stranger_api.put("/tasks/draft", {**code, "version": 1}, format="json"),
        stranger_api.post("/tasks/run", code, format="json"),
        stranger_api.post("/tasks/check", code, format="json"),
    ]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "not_found")] * 7


def test_everything_needs_credentials(anonymous_api):
    for method, path in (
        ("post", "/interview/start"),
        ("get", "/interview/x"),
        ("post", "/interview/finish"),
        ("get", "/tasks/next"),
        ("post", "/tasks/skip"),
        ("put", "/tasks/draft"),
        ("post", "/tasks/run"),
        ("post", "/tasks/check"),
        ("get", "/tasks/runs/x"),
    ):
        answer = getattr(anonymous_api, method)(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated"), path


def test_tracks_are_public(anonymous_api):
    tracks = anonymous_api.get("/interview/tracks").json()["tracks"]
    assert [track["id"] for track in tracks] == ["algorithms", "backend", "data"]
    assert set(tracks[0]) == {"id", "title", "description", "languages", "levels"}
    assert tracks[0]["levels"][0] == {"id": "junior", "title": "Junior", "minutes": 60}
