"""The model behind the interviewer: an OpenAI-compatible endpoint, streamed.

The only module that imports `openai`, and only when a call is made (the import takes a second).
The SDK's own retries are off. What counts as a failure here and not in the SDK: a stream without
a `finish_reason` (it was cut), a chunk that is no JSON, a reply without visible text, an answer
that does not end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from interviews.interviewer.thinking import ThinkFilter

logger = logging.getLogger(__name__)

ChatMessages = list[dict[str, str]]
Limits = tuple[float, float]
"""When the first token and when the whole reply has to be there, on the monotonic clock."""

TRIES = 3
MAX_REPLY_CHARS = 16_000
MAX_RAW_CHARS = 400_000
MAX_BODY_BYTES = 8 << 20
MAX_TOKENS = 1500
MAX_RETRY_AFTER_S = 5.0
FAREWELL_S = 2.0
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class InterviewerError(Exception):
    """A call that failed. `outcome` is what the record says; `permanent`: trying again is no use."""

    def __init__(
        self,
        outcome: str,
        detail: str = "",
        *,
        permanent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{outcome}: {detail}" if detail else outcome)
        self.outcome = outcome
        self.detail = detail
        self.permanent = permanent
        self.retry_after = retry_after


@dataclass(slots=True)
class CallRecord:
    """One HTTP call: what it cost and how it ended. Times in milliseconds; no content, no key."""

    model: str
    attempt: int
    outcome: str = ""
    detail: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token_ms: int | None = None
    latency_ms: int = 0


Recorder = Callable[[CallRecord], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is and how long it may take; without a key there is none."""

    base_url: str
    api_key: str = field(repr=False)
    model: str = ""
    no_think: bool = True
    timeout_s: float = 60.0
    first_token_timeout_s: float = 15.0
    backoff_s: float = 0.4

    @classmethod
    def from_settings(cls) -> Endpoint | None:
        """The endpoint of the environment; None without a key: then the script speaks."""
        if not settings.OPENAI_API_KEY:
            return None
        return cls(
            base_url=settings.LLM_BASE_URL,
            api_key=settings.OPENAI_API_KEY,
            model=settings.LLM_MODEL,
            no_think=settings.LLM_NO_THINK,
            timeout_s=settings.LLM_TIMEOUT_S,
            first_token_timeout_s=settings.LLM_FIRST_TOKEN_TIMEOUT_S,
        )


class Breaker:
    """Leaves the model alone for a while after several failures in a row."""

    def __init__(
        self,
        *,
        failures: int = 4,
        pause_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failures = failures
        self.pause_s = pause_s
        self.clock = clock
        self._count = 0
        self._closed_until = 0.0

    def allows(self) -> bool:
        """Whether to call. After the pause one call is let through; its end decides."""
        if self._count < self.failures:
            return True
        if self.clock() < self._closed_until:
            return False
        self._closed_until = self.clock() + self.pause_s
        return True

    def succeeded(self) -> None:
        self._count = 0

    def failed(self) -> None:
        self._count += 1
        if self._count >= self.failures:
            self._closed_until = self.clock() + self.pause_s


class ModelClient:
    """Streams replies of one endpoint; belongs to the event loop that first uses it."""

    def __init__(self, endpoint: Endpoint, *, chance: Callable[[], float] = random.random) -> None:
        self.endpoint = endpoint
        self._chance = chance
        self._sdk: Any = None
        self._counts_usage = True

    async def stream(
        self, messages: ChatMessages, *, record: Recorder, tries: int = TRIES, lead: bool = True
    ) -> AsyncIterator[str]:
        """The visible text of a reply, piece by piece.

        Retries happen only before the first piece, and within the time that the first token may
        take; `lead` drops white space before it. Raises `InterviewerError` for every kind of
        failure, before or after the first piece.
        """
        if self._sdk is None:
            self._sdk = await asyncio.to_thread(_sdk_for, self.endpoint)
        give_up = time.monotonic() + self.endpoint.timeout_s
        first_by = min(give_up, time.monotonic() + self.endpoint.first_token_timeout_s)
        attempt = 0
        while True:
            attempt += 1
            started = False
            call = CallRecord(self.endpoint.model, attempt)
            try:
                async for piece in self._call(messages, call, (first_by, give_up), lead):
                    started = True
                    yield piece
                return
            except InterviewerError as error:
                wait = self._pause(error, attempt)
                late = time.monotonic() + wait >= first_by
                if started or error.permanent or attempt >= tries or late:
                    raise
            finally:
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(record(call))
            await asyncio.sleep(wait)

    async def close(self) -> None:
        if self._sdk is not None:
            await self._sdk.close()

    def _pause(self, error: InterviewerError, attempt: int) -> float:
        """Seconds before the next try: what the server asks for, else growing with jitter."""
        if error.retry_after is not None:
            return min(MAX_RETRY_AFTER_S, error.retry_after)
        return self.endpoint.backoff_s * 2 ** (attempt - 1) * (0.5 + self._chance())

    async def _call(
        self, messages: ChatMessages, call: CallRecord, limits: Limits, lead: bool
    ) -> AsyncIterator[str]:
        """One HTTP call, recorded in `call`, its failures as `InterviewerError`."""
        began = time.monotonic()
        call.outcome = "cancelled"
        try:
            async for piece in self._pieces(messages, call, began, limits, lead):
                yield piece
            call.outcome = "ok"
        except InterviewerError as error:
            call.outcome, call.detail = error.outcome, error.detail
            raise
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:
            mapped = self._mapped(error)
            call.outcome, call.detail = mapped.outcome, mapped.detail
            raise mapped from None
        finally:
            call.latency_ms = _ms(began)

    async def _pieces(
        self, messages: ChatMessages, call: CallRecord, began: float, limits: Limits, lead: bool
    ) -> AsyncIterator[str]:
        first_by, give_up = limits
        response = await _within(first_by, self._request(messages), "first_token_timeout")
        thinking = ThinkFilter(lead=lead)
        chunks = aiter(response)
        finished, heard, visible, raw = "", False, 0, 0
        try:
            while True:
                limit = give_up if heard else first_by
                if finished:  # what may still follow is the count of tokens
                    limit = min(limit, time.monotonic() + FAREWELL_S)
                try:
                    chunk = await _within(
                        limit, anext(chunks), "timeout" if heard else "first_token_timeout"
                    )
                except StopAsyncIteration:
                    break
                except InterviewerError:
                    if finished:
                        break
                    raise
                _count_tokens(chunk, call)
                text, thought, reason = _read(chunk)
                finished = finished or reason
                raw += len(text) + len(thought)
                if (text or thought) and not heard:
                    heard = True
                    call.first_token_ms = _ms(began)
                if raw > MAX_RAW_CHARS:
                    raise InterviewerError("too_long")
                piece = thinking.feed(_UNSTORABLE.sub("\ufffd", text))[: MAX_REPLY_CHARS - visible]
                visible += len(piece)
                if piece:
                    yield piece
                if visible >= MAX_REPLY_CHARS:
                    return
        finally:
            with suppress(Exception):
                await response.close()
        if not finished:
            raise InterviewerError("truncated", "the stream ended without a finish_reason")
        if rest := thinking.close()[: MAX_REPLY_CHARS - visible]:
            visible += len(rest)
            yield rest
        if not visible:
            raise InterviewerError("empty")

    async def _request(self, messages: ChatMessages) -> Any:
        import openai

        options: dict[str, Any] = {"stream_options": {"include_usage": True}}
        try:
            return await self._create(messages, options if self._counts_usage else {})
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if not self._counts_usage:
                raise
            self._counts_usage = False  # an older server, which does not know the option
            return await self._create(messages, {})

    async def _create(self, messages: ChatMessages, options: dict[str, Any]) -> Any:
        return await self._sdk.chat.completions.create(
            model=self.endpoint.model,
            messages=_without_thinking(messages) if self.endpoint.no_think else messages,
            stream=True,
            max_tokens=MAX_TOKENS,
            temperature=0.6,
            **options,
        )

    def _mapped(self, error: Exception) -> InterviewerError:
        """A failure of the SDK as ours. Error bodies are not quoted: some name the key."""
        import openai

        if isinstance(error, openai.APITimeoutError):
            return InterviewerError("timeout", "no answer in time")
        if isinstance(error, openai.APIConnectionError):
            return InterviewerError("connection", type(error.__cause__ or error).__name__)
        if isinstance(error, openai.RateLimitError):
            after = _retry_after(error.response.headers)
            return InterviewerError("rate_limited", "HTTP 429", retry_after=after)
        if isinstance(error, openai.APIStatusError):
            status = error.status_code
            if status >= 500 or status in (408, 409):
                after = _retry_after(error.response.headers)
                return InterviewerError("server_error", f"HTTP {status}", retry_after=after)
            return InterviewerError("refused", f"HTTP {status}", permanent=True)
        if isinstance(error, openai.APIError):
            return InterviewerError("server_error", "an error instead of a chunk")
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            return InterviewerError("malformed", "a chunk is not JSON")
        logger.warning("the model's answer broke the client: %s", type(error).__name__)
        return InterviewerError("malformed", type(error).__name__)


def _sdk_for(endpoint: Endpoint) -> Any:
    """The SDK's client. Slow the first time (imports, certificates): call it in a thread."""
    import httpx2
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        max_retries=0,
        timeout=httpx2.Timeout(endpoint.timeout_s, connect=10.0),
        http_client=httpx2.AsyncClient(
            transport=_bounded_transport(),
            timeout=endpoint.timeout_s,
            headers={"Accept-Encoding": "identity"},
        ),
    )


async def _within(deadline: float, work: Awaitable[Any], outcome: str) -> Any:
    """Await `work` until `deadline` on the monotonic clock."""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            return await work
    except TimeoutError:
        raise InterviewerError(outcome) from None


def _ms(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _read(chunk: Any) -> tuple[str, str, str]:
    """(text, reasoning, finish_reason) of a chunk; whatever has another shape counts as nothing."""
    choices = getattr(chunk, "choices", None)
    if not isinstance(choices, list) or not choices:
        return "", "", ""
    delta = getattr(choices[0], "delta", None)
    thoughts = [getattr(delta, name, None) for name in ("reasoning_content", "reasoning")]
    thought = next((value for value in thoughts if isinstance(value, str)), "")
    text = getattr(delta, "content", None)
    reason = getattr(choices[0], "finish_reason", None)
    return (
        text if isinstance(text, str) else "",
        thought,
        reason if isinstance(reason, str) else "",
    )


def _count_tokens(chunk: Any, call: CallRecord) -> None:
    usage = getattr(chunk, "usage", None)
    for name in ("prompt_tokens", "completion_tokens"):
        value = getattr(usage, name, None)
        if isinstance(value, int) and 0 <= value < 2**31:
            setattr(call, name, value)


def _retry_after(headers: Any) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 10**6 else None


def _without_thinking(messages: ChatMessages) -> ChatMessages:
    """The messages with Qwen's switch at the end of the last one from the user."""
    marked = [dict(message) for message in messages]
    for message in reversed(marked):
        if message["role"] == "user":
            message["content"] += "\n/no_think"
            break
    return marked


def _bounded_transport() -> Any:
    """A transport that ends an answer of more than `MAX_BODY_BYTES`."""
    import httpx2

    class BoundedStream(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            seen = 0
            async for part in self._stream:
                seen += len(part)
                if seen > MAX_BODY_BYTES:
                    raise InterviewerError("too_long", "the answer does not end")
                yield part

        async def aclose(self) -> None:
            await self._stream.aclose()

    class BoundedTransport(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: Any) -> Any:
            response = await super().handle_async_request(request)
            response.stream = BoundedStream(response.stream)
            return response

    return BoundedTransport()
