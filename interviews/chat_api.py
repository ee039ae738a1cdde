"""`POST /chat/send`: a message of the candidate."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from interviews import chat
from interviews.accounts_api import parsed
from interviews.api import own_session
from neurogame import throttling


class SendSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField(max_length=64)
    message = serializers.CharField(max_length=chat.MAX_CHARS, trim_whitespace=False)
    client_message_id = serializers.CharField(
        max_length=128, required=False, allow_null=True, allow_blank=True
    )

    def validate_message(self, value: str) -> str:
        if not value.strip():
            self.fields["message"].fail("blank")
        return value


class SentSerializer(serializers.Serializer[Any]):
    message_id = serializers.CharField()
    reply_id = serializers.CharField()


class SendView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(request=SendSerializer, responses={202: SentSerializer})
    def post(self, request: Request) -> Response:
        """Send a message; the reply comes on the stream under `reply_id`."""
        data = parsed(SendSerializer, request)
        session = own_session(request.user, data["session_id"])
        throttling.hit("chat", str(session.pk))
        message, reply = chat.send(
            session=session,
            text=data["message"],
            client_message_id=data.get("client_message_id") or None,
        )
        return Response({"message_id": str(message.pk), "reply_id": str(reply.pk)}, status=202)
