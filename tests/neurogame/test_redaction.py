"""No secret reaches the log."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurogame.redaction import RedactingFilter, redact, redact_query, redact_target


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("GET /v1/export/raw?api_key=abc&limit=3", "GET /v1/export/raw?api_key=[redacted]&limit=3"),
        ('{"password": "hu\\"nter", "login": "x"}', '{"password": "[redacted]", "login": "x"}'),
        ("{'refresh': 'abcdef', 'x': 1}", "{'refresh': '[redacted]', 'x': 1}"),
        ("[(b'authorization', b'Bearer abc')]", "[(b'authorization', '[redacted]')]"),
        ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
        ("sent Bearer abc.def-ghi on", "sent Bearer [redacted] on"),
        ("Cookie: sessionid=abc; csrftoken=x", "Cookie: [redacted]"),
        ("X-API-Key: abc", "X-API-Key: [redacted]"),
        ("postgres://user:pw@host/db", "postgres://user:[redacted]@host/db"),
        ("redis://:pw@host:6379/0", "redis://:[redacted]@host:6379/0"),
        ("it was eyJhbGciOi.eyJ1c2Vy.c2ln here", "it was [redacted] here"),
        ("key sk-abcdefghijkl was refused", "key [redacted] was refused"),
        ("no such key: 'ngk_AbCd-efgh_1234'", "no such key: '[redacted]'"),
        ("the key ngk_AbCdef… was rotated", "the key ngk_AbCdef… was rotated"),
        ("old_password=a&new_password1=b", "old_password=[redacted]&new_password1=[redacted]"),
    ],
)
def test_secret_is_masked(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "access denied; refresh the page",
        "task_token_count=3 tokens",
        "http://127.0.0.1:8000/interview/",
        "user u_42 sent 3 events",
    ],
)
def test_ordinary_text_is_kept(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("query", "clean"),
    [
        ("limit=3&api_key=abc", "limit=3&api_key=[redacted]"),
        ("api%5Fkey=abc", "api%5Fkey=[redacted]"),
        ("API_KEY=abc", "API_KEY=[redacted]"),
        ("invite=abc&token=&q=x", "invite=[redacted]&token=[redacted]&q=x"),
        ("next=%2Fx%3Finvite%3Dabc", "next=[redacted]"),
        ("session_id=s1", "session_id=s1"),
        ("", ""),
    ],
)
def test_query_shows_no_secret_parameter(query: str, clean: str) -> None:
    assert redact_query(query) == clean


def test_token_in_a_path_is_masked() -> None:
    assert redact_target("/accounts/reset/MQ/abc-def/", "") == "/accounts/reset/MQ/[redacted]/"
    assert redact_target("/v1/ngk_AbCd-efgh_12", "q=ngk_AbCd-efgh_12") == (
        "/v1/[redacted]?q=[redacted]"
    )


@given(st.text(alphabet="aApi_key=&:\"' token/?Bearer.0", max_size=60))
def test_masking_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def record_of(message: str, *arguments: object, exc_info: object = None) -> logging.LogRecord:
    return logging.LogRecord("x", logging.ERROR, "f", 1, message, arguments, exc_info)  # type: ignore[arg-type]


def test_filter_cleans_arguments_and_leaves_the_record_to_other_handlers() -> None:
    record = record_of("failed for %s", "password=hunter2")
    cleaned = RedactingFilter().filter(record)
    assert cleaned.getMessage() == "failed for password=[redacted]"
    assert record.getMessage() == "failed for password=hunter2"


def test_filter_cleans_tracebacks() -> None:
    try:
        raise ValueError("api_key=abc")
    except ValueError:
        record = record_of("boom", exc_info=sys.exc_info())
    cleaned = RedactingFilter().filter(record)
    assert cleaned.exc_text is not None
    assert cleaned.exc_text.endswith("ValueError: api_key=[redacted]")
    assert "abc" not in logging.Formatter().format(cleaned)


def test_filter_masks_known_secrets_wherever_they_stand() -> None:
    cleaned = RedactingFilter(("a-known-key", "")).filter(record_of("odd a-known-key place"))
    assert cleaned.getMessage() == "odd [redacted] place"


def test_filter_survives_arguments_that_do_not_fit() -> None:
    cleaned = RedactingFilter().filter(record_of("%d", "token=abc"))
    assert "abc" not in cleaned.getMessage()
