"""Who says what in a reply: the model where there is one, the script where it fails or is wanted.

What a candidate has seen never changes. Before the first delta a failure of the model hands the
reply to the script; after it the model is asked once to go on from exactly there, and if that
fails too the reply ends in a retryable `error`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from interviews.interviewer import prompts, script
from interviews.interviewer.assemble import context_for
from interviews.interviewer.client import (
    Breaker,
    CallRecord,
    Endpoint,
    InterviewerError,
    ModelClient,
    Recorder,
)
from interviews.interviewer.context import InterviewContext
from interviews.interviewer.continuing import LONGEST, without_overlap
from interviews.models import LLMCall, Message
from interviews.models.conversation import MessageKind
from interviews.outbox import Live

logger = logging.getLogger(__name__)

Database = Callable[..., Awaitable[Any]]

BY_SCRIPT = (MessageKind.GREETING, MessageKind.CLOSING)
SCRIPT_MODEL = "script-1"
MAX_CLAIMS = 5
_WORDS = re.compile(r"\s*\S+\s*")


class Speaker:
    """Speaks replies into their `Live`; one for each engine."""

    def __init__(
        self, endpoint: Endpoint | None, database: Database, *, script_seconds: float
    ) -> None:
        self.endpoint = endpoint
        self.script_seconds = script_seconds
        self.breaker = Breaker()
        self._database = database
        self._client = ModelClient(endpoint) if endpoint else None

    async def close(self) -> None:
        if self._client:
            await self._client.close()

    async def speak(self, reply: Message, live: Live) -> None:
        """Say a whole reply, or what is missing of it, and end it."""
        if live.meta.get("claims", 0) > MAX_CLAIMS:
            live.fail("interviewer_failed")
            return
        if "plan" in live.meta:
            await self._recite(live, live.meta["plan"])
            return
        context = await self._database(context_for, reply)
        by_model = self._client is not None and reply.kind not in BY_SCRIPT
        if live.text:
            await self._go_on(reply, live, context)
        elif by_model and self.breaker.allows():
            await self._by_model(reply, live, context)
        else:
            await self._by_script(live, context)

    # --- The model ---

    async def _by_model(self, reply: Message, live: Live, context: InterviewContext) -> None:
        assert self._client is not None  # noqa: S101 - the caller has looked
        live.source, live.model = "llm", self._client.endpoint.model
        hint = prompts.wants_hint(context)
        if hint:
            live.meta["hint"] = hint
        messages = prompts.messages_for(context)
        try:
            await _hear(self._client.stream(messages, record=self._recorder(reply)), live)
        except InterviewerError as error:
            self.breaker.failed()
            logger.warning("reply %s: the model failed: %s", reply.pk, error)
            if live.said:
                await self._go_on(reply, live, context)
            else:
                live.meta.pop("hint", None)
                await self._by_script(live, context)
            return
        self.breaker.succeeded()
        live.finish()

    async def _go_on(self, reply: Message, live: Live, context: InterviewContext) -> None:
        """Continue a reply of the model from exactly what was said, or end it in an error."""
        if self._client is None:
            live.fail("interviewer_failed")
            return
        messages = prompts.continuation(prompts.messages_for(context), live.said)
        pieces = self._client.stream(
            messages, record=self._recorder(reply, "continue"), tries=1, lead=False
        )
        try:
            await _hear(_from_there(live.said, pieces), live)
        except InterviewerError as error:
            self.breaker.failed()
            logger.warning("reply %s: the model could not go on: %s", reply.pk, error)
            live.fail("interviewer_failed")
            return
        self.breaker.succeeded()
        live.finish()

    def _recorder(self, reply: Message, purpose: str = "") -> Recorder:
        async def record(call: CallRecord) -> None:
            try:
                await self._database(_record, reply, purpose or reply.kind, call)
            except Exception:
                logger.exception("recording a model call")

        return record

    # --- The script ---

    async def _by_script(self, live: Live, context: InterviewContext) -> None:
        said = script.respond(context)
        live.source, live.model = "scripted", SCRIPT_MODEL
        live.meta["intent"] = str(said.intent)
        if said.hint:
            live.meta["hint"] = said.hint
        if said.topic:
            live.meta["topic"] = said.topic
        live.meta["plan"] = said.text
        await self._recite(live, said.text)

    async def _recite(self, live: Live, text: str) -> None:
        """Say a text word by word, from where it was left; in pieces even without any pace."""
        words = _WORDS.findall(text[len(live.said) :])
        pause = min(0.05, self.script_seconds / max(1, len(words)))
        for number, word in enumerate(words):
            live.say(word)
            if number == 0:
                await live.spoke.wait()
            if pause:
                await asyncio.sleep(pause)
        live.finish()


async def _hear(pieces: AsyncIterator[str], live: Live) -> None:
    async with aclosing(pieces) as stream:  # type: ignore[type-var]
        async for piece in stream:
            live.say(piece)


async def _from_there(said: str, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """The pieces of a continuation without what they repeat of `said`."""
    head, decided = "", False
    async with aclosing(pieces) as stream:  # type: ignore[type-var]
        async for piece in stream:
            if decided:
                yield piece
                continue
            head += piece
            if len(head) >= LONGEST:
                decided = True
                yield without_overlap(said, head)
    if not decided:
        yield without_overlap(said, head)


def _record(reply: Message, purpose: str, call: CallRecord) -> None:
    LLMCall.objects.create(
        session_id=reply.session_id,
        message_id=reply.pk,
        purpose=purpose,
        model=call.model[:120],
        prompt_version=prompts.VERSION,
        attempt=call.attempt,
        prompt_tokens=call.prompt_tokens,
        completion_tokens=call.completion_tokens,
        first_token_ms=call.first_token_ms,
        latency_ms=call.latency_ms,
        outcome=call.outcome[:40],
        detail=call.detail[:500],
    )
