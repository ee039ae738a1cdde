"""`POST /telemetry/anticheat`."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from neurogame import throttling
from neurogame.problems import Problem
from telemetry import anticheat


class BatchSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField(max_length=64)
    events = serializers.ListField(child=serializers.JSONField(allow_null=True))


class AnticheatView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(request=BatchSerializer, responses={200: None})
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
