"""Routes of the chat."""

from __future__ import annotations

from django.urls import path

from interviews.chat_api import SendView
from interviews.stream import chat_stream

urlpatterns = [
    path("chat/send", SendView.as_view(), name="chat-send"),
    path("chat/stream", chat_stream, name="chat-stream"),
]
