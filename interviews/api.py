"""`/interview/…`: start, read, finish; the tracks."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from interviews import flow
from interviews.accounts_api import parsed
from interviews.models import InterviewSession, Level, Message, Track, User
from interviews.models.sessions import LOCALES
from neurogame.problems import Problem
from tasks import flow as task_flow
from tasks import offers
from tasks.models import Attempt
from tasks.serializers import attempt_answer, task_answer

TRACK_TEXTS = {
    Track.ALGORITHMS: lazy("Data structures, complexity, careful code."),
    Track.BACKEND: lazy("Logs, limits, caches, queues: what servers do all day."),
    Track.DATA: lazy("Aggregating, joining and cleaning data, and what it means."),
}


class ConsentSerializer(serializers.Serializer[Any]):
    version = serializers.CharField(max_length=40)
    signals = serializers.BooleanField(default=True)
    video = serializers.BooleanField(default=False)


class StartSerializer(serializers.Serializer[Any]):
    track = serializers.ChoiceField(choices=Track.choices, required=False, allow_null=True)
    level = serializers.ChoiceField(choices=Level.choices, required=False, allow_null=True)
    invite = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=64)
    locale = serializers.ChoiceField(choices=LOCALES, required=False, allow_null=True)
    consent = ConsentSerializer(required=False, allow_null=True)


class FinishSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField(max_length=64)


class StartedSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField()
    track = serializers.CharField()
    level = serializers.CharField()
    locale = serializers.CharField()
    greeting = serializers.CharField()
    state = serializers.ChoiceField(choices=["active", "paused", "finished"])
    started_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()


class MessageSerializer(serializers.Serializer[Any]):
    message_id = serializers.CharField()
    role = serializers.ChoiceField(choices=["interviewer", "candidate"])
    text = serializers.CharField()
    created_at = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=["complete", "pending", "error"])
    reply_to = serializers.CharField(allow_null=True)
    source = serializers.CharField(allow_null=True)


class SessionSerializer(StartedSerializer):
    server_time = serializers.DateTimeField()
    messages = MessageSerializer(many=True)
    task = serializers.DictField(allow_null=True)
    task_state = serializers.CharField(allow_null=True)
    attempts = serializers.ListField(child=serializers.DictField())
    draft = serializers.DictField(allow_null=True)


class FinishedSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField()
    state = serializers.CharField()
    finished_at = serializers.DateTimeField()


def own_session(user: User, session_id: str) -> InterviewSession:
    """The candidate's own session; `not_found` for another's and for nonsense."""
    try:
        key = uuid.UUID(str(session_id))
    except ValueError:
        raise Problem("not_found") from None
    session = (
        InterviewSession.objects.for_candidate(user)
        .select_related("candidate", "consent")
        .filter(pk=key)
        .first()
    )
    if session is None:
        raise Problem("not_found")
    return session


def session_answer(session: InterviewSession) -> dict[str, Any]:
    """What starting answers."""
    return {
        "session_id": str(session.pk),
        "track": session.track,
        "level": session.level,
        "locale": session.locale,
        "greeting": flow.greeting_of(session),
        "state": session.current_state(),
        "started_at": session.started_at,
        "ends_at": session.ends_at,
    }


def message_answer(message: Message) -> dict[str, Any]:
    return {
        "message_id": str(message.pk),
        "role": message.role,
        "text": message.text,
        "created_at": message.created_at,
        "status": message.status,
        "reply_to": str(message.reply_to_id) if message.reply_to_id else None,
        "source": message.source or None,
        "kind": message.kind,
        "retryable": message.retryable,
        "client_message_id": message.client_message_id,
    }


def whole_answer(session: InterviewSession) -> dict[str, Any]:
    """Everything a candidate's page needs after a reload."""
    now = timezone.now()
    task_flow.settle(session, now)
    assignments = list(session.assignments.select_related("task", "draft"))
    current = next((a for a in assignments if a.state != "closed"), None)
    latest = current or (assignments[-1] if assignments else None)
    draft = getattr(current, "draft", None)
    attempts = Attempt.objects.filter(assignment__session=session).select_related("assignment")
    consent = getattr(session, "consent", None)
    return {
        **session_answer(session),
        "server_time": now,
        "time_factor": float(session.time_factor),
        "finished_at": session.ended_at(now),
        "signals": bool(consent and consent.signals),
        "messages": [message_answer(message) for message in session.messages.order_by("seq")],
        "task": task_answer(current, session.locale) if current else None,
        "task_state": latest.state if latest else None,
        "tasks": [
            {
                "task_id": str(assignment.task_id),
                "order": assignment.order,
                "title": assignment.task.text(session.locale).title,
                "state": assignment.state,
                "close_reason": assignment.close_reason or None,
                "passed": assignment.best_passed,
                "total": assignment.total_tests,
                "attempts": assignment.attempts_used,
            }
            for assignment in assignments
        ],
        "attempts": [attempt_answer(attempt) for attempt in attempts.order_by("created_at")],
        "draft": draft.as_answer() if draft else None,
    }


class StartView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(
        request=StartSerializer, responses={201: StartedSerializer, 200: StartedSerializer}
    )
    def post(self, request: Request) -> Response:
        """Start an interview, or answer the one that runs."""
        data = parsed(StartSerializer, request)
        given = data.get("consent")
        if given:
            consent = flow.ConsentGiven(**given)
        else:
            client = request.headers.get("User-Agent", "")[:180].replace("\x00", "")
            consent = flow.ConsentGiven(version="client", taken_by=f"client: {client or '?'}")
        session, started = flow.start(
            request.user,
            terms={name: data.get(name) for name in ("track", "level", "locale")},
            invite_token=data.get("invite") or "",
            consent=consent,
        )
        return Response(session_answer(session), status=201 if started else 200)


class SessionView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(responses={200: SessionSerializer})
    def get(self, request: Request, session_id: str) -> Response:
        """A session with its messages, task, attempts and draft."""
        return Response(whole_answer(own_session(request.user, session_id)))


class FinishView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(request=FinishSerializer, responses={200: FinishedSerializer})
    def post(self, request: Request) -> Response:
        """End an interview. Idempotent."""
        session = own_session(request.user, parsed(FinishSerializer, request)["session_id"])
        flow.finish(session)
        return Response(
            {
                "session_id": str(session.pk),
                "state": session.current_state(),
                "finished_at": session.ended_at(),
            }
        )


class TracksView(APIView):
    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    @extend_schema(responses={200: None})
    def get(self, request: Request) -> Response:
        """The tracks with their levels."""
        languages = offers.by_track()
        return Response(
            {
                "tracks": [
                    {
                        "id": track.value,
                        "title": str(track.label),
                        "description": str(TRACK_TEXTS[track]),
                        "languages": languages.get(track.value, []),
                        "levels": [
                            {"id": level.value, "title": str(level.label), "minutes": level.minutes}
                            for level in Level
                        ],
                    }
                    for track in Track
                ]
            }
        )
