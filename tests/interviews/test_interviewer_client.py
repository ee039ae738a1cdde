from __future__ import annotations

import time

import pytest

from interviews.interviewer import client as client_module
from interviews.interviewer.client import (
    Breaker,
    CallRecord,
    Endpoint,
    InterviewerError,
    ModelClient,
)
from tests.interviews.model_server import USAGE, Answer, ModelServer, chunk, fails, says

SECRET = "sk-secret-key-0123456789"
MESSAGES = [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]


@pytest.fixture
def model():
    with ModelServer() as server:
        yield server


class Talk:
    """One call of the client: what it said, what it recorded, how it ended."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.calls: list[CallRecord] = []
        self.error: InterviewerError | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def outcomes(self) -> list[str]:
        return [call.outcome for call in self.calls]


async def talk(model: ModelServer, *, lead: bool = True, **endpoint) -> Talk:
    options = {"model": "m", "timeout_s": 5.0, "first_token_timeout_s": 2.0, "backoff_s": 0.01}
    made = ModelClient(Endpoint(model.url, SECRET, **{**options, **endpoint}), chance=lambda: 0.5)
    seen = Talk()

    async def record(call: CallRecord) -> None:
        seen.calls.append(call)

    try:
        async for piece in made.stream(MESSAGES, record=record, lead=lead):
            seen.pieces.append(piece)
    except InterviewerError as error:
        seen.error = error
    finally:
        await made.close()
    return seen


async def test_a_healthy_stream_is_passed_on_and_recorded(model):
    model.does(says("Hel", "lo ", "there."))
    seen = await talk(model)
    assert (seen.text, seen.outcomes, seen.error) == ("Hello there.", ["ok"], None)
    call = seen.calls[0]
    assert (call.model, call.attempt, call.prompt_tokens, call.completion_tokens) == ("m", 1, 11, 7)
    assert call.first_token_ms is not None
    assert call.first_token_ms <= call.latency_ms
    request = model.requests[0]
    assert request["stream"] is True
    assert request["model"] == "m"
    assert model.headers[0]["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(("no_think", "content"), [(True, "hi\n/no_think"), (False, "hi")])
async def test_no_think_stands_at_the_end_of_the_last_message(model, no_think, content):
    await talk(model, no_think=no_think)
    assert model.requests[0]["messages"] == [MESSAGES[0], {"role": "user", "content": content}]


async def test_thoughts_are_taken_out_however_they_are_cut(model):
    def think(answer: Answer) -> None:
        answer.begin()
        answer.send(chunk(reasoning_content="SECRET"), chunk(reasoning="SECRET"))
        answer.send(*[chunk(letter) for letter in "<think>SECRET</think>\n\nShown"])
        answer.send(chunk(finish="stop"), "[DONE]")

    model.does(think)
    assert (await talk(model)).text == "Shown"


@pytest.mark.parametrize(
    "first",
    [
        fails(429),
        fails(429, Retry_After="0"),
        fails(500),
        fails(503),
        lambda answer: answer.hang_up(),
        lambda answer: answer.begin(),
        says("<think>only thoughts</think>"),
        says(),
    ],
)
async def test_failures_before_the_first_token_are_tried_again(model, first):
    model.does(first, says("Here."))
    seen = await talk(model)
    assert seen.text == "Here."
    assert len(seen.outcomes) == 2
    assert seen.outcomes[0] != "ok"
    assert seen.outcomes[1] == "ok"


async def test_tries_are_bounded_and_each_is_recorded(model):
    model.does(fails(503))
    seen = await talk(model)
    assert seen.outcomes == ["server_error"] * 3
    assert [call.attempt for call in seen.calls] == [1, 2, 3]
    assert seen.error.outcome == "server_error"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_is_permanent_and_names_no_key(model, status):
    body = f'{{"error": {{"message": "Incorrect API key provided: {SECRET}"}}}}'
    model.does(lambda answer: answer.fail(status, body))
    seen = await talk(model)
    assert seen.outcomes == ["refused"]
    assert seen.error.permanent
    assert SECRET not in str(seen.error) + seen.calls[0].detail
    assert SECRET not in repr(Endpoint(model.url, SECRET))


async def test_a_server_without_usage_is_asked_without(model):
    model.does(fails(400), says("Here."))
    seen = await talk(model)
    assert seen.text == "Here."
    assert "stream_options" in model.requests[0]
    assert "stream_options" not in model.requests[1]


async def test_retry_after_is_waited_for_but_not_for_long(model, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_RETRY_AFTER_S", 0.2)
    model.does(fails(429, Retry_After="3600"), says("Here."))
    began = time.monotonic()
    seen = await talk(model)
    assert seen.text == "Here."
    assert 0.2 <= time.monotonic() - began < 2


def broken(answer: Answer, *events: str) -> None:
    answer.begin()
    answer.send(chunk("Half a "), chunk("reply"))
    answer.send(*events)


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (broken, "truncated"),
        (lambda answer: broken(answer, "[DONE]"), "truncated"),
        (lambda answer: broken(answer, '{"choices": [{"del'), "malformed"),
        (lambda answer: broken(answer, '{"error": {"message": "boom"}}'), "server_error"),
        (lambda answer: (broken(answer), time.sleep(3)), "timeout"),
    ],
)
async def test_failures_after_the_first_token_are_errors_at_once(model, behaviour, outcome):
    model.does(behaviour)
    seen = await talk(model, timeout_s=1.0)
    assert seen.text == "Half a reply"
    assert seen.outcomes == [outcome]
    assert seen.error.outcome == outcome


async def test_a_connection_that_breaks_in_the_middle_is_an_error(model):
    def behave(answer: Answer) -> None:
        answer._handler.send_response(200)
        answer._handler.send_header("Content-Type", "text/event-stream")
        answer._handler.send_header("Content-Length", "100000")
        answer._handler.end_headers()
        answer.send(chunk("Half a reply"))
        answer.hang_up()

    model.does(behave)
    seen = await talk(model)
    assert (seen.text, seen.outcomes) == ("Half a reply", ["connection"])


async def test_no_first_token_in_time(model):
    model.does(lambda answer: (answer.begin(), time.sleep(2)))
    began = time.monotonic()
    seen = await talk(model, first_token_timeout_s=0.2, timeout_s=0.5)
    assert seen.outcomes == ["first_token_timeout"]
    assert time.monotonic() - began < 1.5


async def test_a_server_that_never_answers_the_headers(model):
    model.does(lambda _answer: time.sleep(2))
    seen = await talk(model, first_token_timeout_s=0.2)
    assert seen.outcomes == ["first_token_timeout"]


async def test_an_endless_reply_is_cut(model, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_REPLY_CHARS", 5000)
    model.does(says(*["word " * 100] * 1000))
    seen = await talk(model)
    assert len(seen.text) == 5000
    assert seen.outcomes == ["ok"]


async def test_endless_thinking_is_a_failure(model, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_RAW_CHARS", 5000)
    model.does(says("<think>", *["hm " * 100] * 100))
    assert (await talk(model)).outcomes[0] == "too_long"


async def test_a_chunk_without_end_is_a_failure(model, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_BODY_BYTES", 200_000)

    def behave(answer: Answer) -> None:
        answer.begin()
        answer.raw(b"data: ")
        for _ in range(100):
            answer.raw(b"x" * 10_000)

    model.does(behave)
    seen = await talk(model)
    assert set(seen.outcomes) == {"too_long"}


async def test_a_server_that_keeps_the_line_open_after_the_end_is_left(model, monkeypatch):
    monkeypatch.setattr(client_module, "FAREWELL_S", 0.1)

    def behave(answer: Answer) -> None:
        answer.begin()
        answer.send(chunk("Done."), chunk(finish="stop"))
        time.sleep(3)

    model.does(behave)
    began = time.monotonic()
    seen = await talk(model)
    assert (seen.text, seen.outcomes) == ("Done.", ["ok"])
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "odd",
    [
        "[]",
        "17",
        '"text"',
        "null",
        '{"choices": null}',
        '{"choices": [null]}',
        '{"choices": [{"delta": null}]}',
        '{"choices": [{"delta": {"content": 5}}]}',
        USAGE,
    ],
)
async def test_odd_chunks_count_as_nothing(model, odd):
    def behave(answer: Answer) -> None:
        answer.begin()
        answer.send(chunk("A"), odd, chunk("B"), chunk(finish="stop"), "[DONE]")

    model.does(behave)
    seen = await talk(model)
    assert (seen.text, seen.error) == ("AB", None)


async def test_what_no_database_stores_is_replaced(model):
    model.does(says("a\x00b\ud800c"))
    assert (await talk(model)).text == "a\ufffdb\ufffdc"


async def test_no_server_at_all(model):
    seen = await talk(type("Nowhere", (), {"url": "http://127.0.0.1:9/v1"}))
    assert seen.outcomes == ["connection"] * 3


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_call_through():
    now = [0.0]
    breaker = Breaker(failures=3, pause_s=30, clock=lambda: now[0])
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.allows()
        breaker.failed()
    assert not breaker.allows()
    now[0] = 31
    assert breaker.allows()
    assert not breaker.allows()
    breaker.failed()
    now[0] = 60
    assert not breaker.allows()
    now[0] = 62
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


def test_without_a_key_there_is_no_endpoint(settings):
    settings.OPENAI_API_KEY = ""
    assert Endpoint.from_settings() is None
    settings.OPENAI_API_KEY = "k"
    assert Endpoint.from_settings().model == settings.LLM_MODEL
