"""`POST /telemetry/anticheat`."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from neurogame import throttling
from neurogame.problems import Problem
from telemetry import anticheat


class SignalSerializer(serializers.Serializer[Any]):
    """A signal as the schema shows it; `anticheat.read` judges each, so that none fails others."""

    event_id = serializers.CharField(max_length=128)
    type = serializers.CharField(max_length=64)
    ts = serializers.DateTimeField()
    task_id = serializers.CharField(max_length=64, required=False)
    seq = serializers.IntegerField(required=False)
    payload = serializers.DictField(required=False)


@extend_schema_field(SignalSerializer(many=True))
class SignalsField(serializers.ListField):
    """A list of anything."""


class BatchSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField(max_length=64)
    events = SignalsField()


class StoredSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()


class AnticheatView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(request=BatchSerializer, responses={200: StoredSerializer})
    def post(self, request: Request) -> Response:
        """Store signals of the candidate's own session."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > anticheat.MAX_BODY:
            raise Problem("too_large", _("A batch may have 256 KiB."))
        serializer = BatchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        session = self.session(serializer.validated_data["session_id"])
        events = request.data["events"]
        throttling.hit("anticheat", str(session.pk))
        if len(events) > anticheat.MAX_EVENTS:
            raise Problem("too_large", _("A batch may have 200 signals."))
        now = timezone.now()
        consent = getattr(session, "consent", None)
        if consent is not None and not consent.signals:
            raise Problem("no_consent")
        if not session.within_grace(anticheat.GRACE, now):
            state = session.current_state(now)
            raise Problem("session_over", state=state, session_state=state)
        anticheat.store(session.pk, events, now)
        return Response({"ok": True})

    def session(self, session_id: str) -> Any:
        try:
            key = uuid.UUID(session_id)
        except ValueError:
            raise Problem("not_found") from None
        mine = self.request.user.interviews  # type: ignore[union-attr]
        session = mine.select_related("consent").filter(pk=key).first()
        if session is None:
            raise Problem("not_found")
        return session
