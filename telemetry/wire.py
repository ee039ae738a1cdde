"""The event contract: what an envelope, an event and a trial are. No database here.

Bytes come in once, `read_envelope` cuts them into events, `read_event` says of each whether it is
stored, and how, or why it is quarantined.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from json import loads
from typing import Any

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

MAX_BODY = 1 << 20
MAX_EVENTS = 500
MAX_EVENT = 32 << 10
MAX_DEPTH = 32
CLOCK_TOLERANCE = timedelta(minutes=5)
LENGTHS = {
    "event_id": 128,
    "event_type": 64,
    "user_id": 128,
    "session_id": 128,
    "model_version": 128,
}
REQUIRED = ("event_id", "event_type", "event_ts", "user_id")
TRIAL_TYPE = "task_result"
DEFAULT_TASK_TYPE = "default"
# A response time above a day is no response time; sums of smaller ones fit 64 bits for ever.
MAX_RT_MS = 86_400_000

_ODD_NUMBER = re.compile(rb"\d[\d.]{15,}|[0-9][eE]")
_ODD_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
# Possessive, and a string may lack its end: no text makes these look at a byte twice.
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]', re.DOTALL)
# Deeper than this the decoder gives up; such a value is blanked before and quarantined.
_DECODER_DEPTH = 200

NOT_JSON = gettext_noop("The body is not JSON.")
NOT_AN_ENVELOPE = gettext_noop("The event envelope is not an object with a list `events`.")


class EnvelopeError(ValueError):
    """The body is not an envelope; `code` is the problem's code."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class _Envelope(msgspec.Struct):
    events: list[msgspec.Raw] | None = None
    api_key: Any = None
    client_version: Any = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed body: the events as the bytes that were sent, in their order."""

    events: list[bytes]
    api_key: str
    client_version: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that is quarantined: its position, why, and its raw JSON."""

    index: int
    reason: str
    detail: str
    raw: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that is stored. `digest` is the SHA-256 of its canonical JSON, in hex."""

    index: int
    event_id: str
    event_type: str
    event_ts: datetime
    effective_ts: datetime
    user_id: str
    session_id: str
    model_version: str
    flags: tuple[str, ...]
    digest: str
    raw: str
    trial: Trial | None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row that was really inserted, as the receivers of `events_stored` get it."""

    seq: int
    user_id: str
    model_version: str
    effective_ts: datetime
    trial: Trial | None
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """A scored trial. `rt_ms` in milliseconds, None for a timeout (sent as null or -1)."""

    user_id: str
    correct: bool
    rt_ms: float | None
    task_type: str
    item_id: str | None
    difficulty: float | None
    model_version: str
    effective_ts: datetime


# --- The envelope -------------------------------------------------------------------------------


def read_envelope(body: bytes) -> Envelope:
    """Cut a body into its events. Raises `EnvelopeError` with `bad_json` or `bad_envelope`."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EnvelopeError(
            "bad_json", _("The body is not UTF-8 at byte %d.") % error.start
        ) from None
    originals: list[bytes] | None = None
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except (msgspec.DecodeError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise _not_an_envelope(body) from None
        envelope, originals = _read_softened(body)
    if envelope.events is None:
        raise EnvelopeError("bad_envelope", _("`events` is missing or not a list."))
    events = originals if originals is not None else [bytes(raw) for raw in envelope.events]
    return Envelope(events, _text(envelope.api_key), _text(envelope.client_version)[:128])


def _not_an_envelope(body: bytes) -> EnvelopeError:
    try:
        msgspec.json.decode(body)
    except msgspec.ValidationError:  # a number out of range, so JSON all the same
        pass
    except (msgspec.DecodeError, RecursionError):
        return EnvelopeError("bad_json", _(NOT_JSON))
    return EnvelopeError("bad_envelope", _(NOT_AN_ENVELOPE))


def _text(value: Any) -> str:
    return value.replace("\x00", "") if isinstance(value, str) else ""


def _read_softened(body: bytes) -> tuple[_Envelope, list[bytes]]:
    """Read what the decoder refuses though it is JSON: lone surrogates, bottomless nesting.

    Both are replaced by something harmless of the same length, so that the events of the
    original lie at the same places.
    """

    def keep_length(match: re.Match[bytes]) -> bytes:
        return b"\\ufffd" if match["lone"] else match[0]

    softened = _SURROGATES.sub(keep_length, body)
    if body.count(b"[") + body.count(b"{") >= _DECODER_DEPTH:
        softened = _blank_depths(softened)
    if softened == body:
        raise EnvelopeError("bad_json", _(NOT_JSON))
    try:
        envelope = msgspec.json.decode(softened, type=_Envelope)
    except msgspec.ValidationError:
        raise EnvelopeError("bad_envelope", _(NOT_AN_ENVELOPE)) from None
    except (msgspec.DecodeError, RecursionError):
        raise EnvelopeError("bad_json", _(NOT_JSON)) from None
    return envelope, [body[start:end].strip() for start, end in _event_spans(softened)]


def _event_spans(body: bytes) -> list[tuple[int, int]]:
    """Where the elements of the list `events` lie in a body that is an envelope."""
    spans: list[tuple[int, int]] = []
    depth, start, key, text = 0, -1, "", b'""'
    for match in _TOKENS.finditer(body):
        mark = match[0]
        if mark in (b"[", b"{"):
            depth += 1
            if depth == 2 and key == "events" and mark == b"[":
                spans, start = [], match.end()
        elif depth == 2 and start >= 0 and mark in (b",", b"]"):
            if mark == b"," or body[start : match.start()].strip():
                spans.append((start, match.start()))
            start = match.end() if mark == b"," else -1
            depth -= mark == b"]"
        elif mark in (b"]", b"}"):
            depth -= 1
        elif depth == 1 and mark == b":":
            key = loads(text)
        elif depth == 1:
            text = mark
    return spans


def _blank_depths(body: bytes) -> bytes:
    """`body` with every value nested deeper than the decoder goes replaced by `0` and spaces."""
    depth, start = 0, -1
    out = bytearray(body)
    for match in _STRUCTURE.finditer(body):
        mark = match[0]
        if mark in (b"[", b"{"):
            depth += 1
            if depth == _DECODER_DEPTH:
                start = match.start()
        elif mark in (b"]", b"}"):
            if depth == _DECODER_DEPTH and start >= 0:
                width = match.end() - start
                out[start : match.end()] = b"0" + b" " * (width - 1)
                start = -1
            depth -= 1
    return bytes(out)


# --- One event ----------------------------------------------------------------------------------


def read_event(raw: bytes, index: int, now: datetime) -> Accepted | Rejected:
    """An event for the store, or why it is quarantined. `now` is the time of arrival, aware."""
    text = raw.decode("utf-8")

    def refuse(reason: str, detail: str) -> Rejected:
        return Rejected(index, reason, detail, text)

    if len(raw) > MAX_EVENT:
        return refuse("too_large", f"{len(raw)} bytes; an event may have {MAX_EVENT}")
    if depth_of(raw) > MAX_DEPTH:
        return refuse("too_deep", f"nested deeper than {MAX_DEPTH}")
    fault = unstorable(raw)
    if fault:
        return refuse("unstorable", fault)
    try:
        event = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        return refuse("unstorable", f"cannot be read: {error}"[:500])
    if not isinstance(event, dict):
        return refuse("not_an_object", "an event is a JSON object")
    fault = _field_fault(event)
    if fault:
        return refuse("invalid_field", fault)
    try:
        event_ts, naive = read_time(event["event_ts"])
    except ValueError as error:
        return refuse("invalid_time", f"event_ts: {error}"[:500])
    flags = ["naive_ts"] if naive else []
    effective = event_ts
    if event_ts > now + CLOCK_TOLERANCE:
        effective = now
        flags.append("clock_ahead")
    trial = trial_of(event, effective_ts=effective)
    if event["event_type"] == TRIAL_TYPE and trial is None:
        flags.append("not_scored")
    return Accepted(
        index=index,
        event_id=event["event_id"],
        event_type=event["event_type"],
        event_ts=event_ts,
        effective_ts=effective,
        user_id=event["user_id"],
        session_id=event.get("session_id") or "",
        model_version=event.get("model_version") or "",
        flags=tuple(flags),
        digest=digest_of(event),
        raw=text,
        trial=trial,
    )


def depth_of(raw: bytes) -> int:
    """How deep the brackets of a JSON text nest."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return 1
    depth = deepest = 0
    for match in _STRUCTURE.finditer(raw):
        if match[0] in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif match[0] in (b"]", b"}"):
            depth -= 1
    return deepest


def unstorable(raw: bytes) -> str:
    """What of a JSON text no database or reader keeps unchanged; empty when all of it is kept.

    A NUL, a lone surrogate, an integer beyond 64 bits, a number that a double does not hold.
    """
    if _ODD_ESCAPE.search(raw):
        for match in _SURROGATES.finditer(raw):
            if match["lone"]:
                return "a lone surrogate"
            if match[0] == b"\\u" and raw[match.end() : match.end() + 4] == b"0000":
                return "a NUL character"
    if not _ODD_NUMBER.search(raw):
        return ""
    faults: list[str] = []

    def integer(digits: str) -> int:
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
            faults.append(f"the integer {digits[:40]} does not fit 64 bits")
        return 0

    def number(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value) or not _same(digits, value):
            faults.append(f"the number {digits[:40]} does not survive as a double")
        return 0.0

    loads(raw, parse_int=integer, parse_float=number)
    return faults[0] if faults else ""


def _same(digits: str, value: float) -> bool:
    try:
        return Decimal(digits) == Decimal(repr(value))
    except InvalidOperation:  # an exponent of twenty digits
        return False


def _field_fault(event: dict[str, Any]) -> str:
    for name in REQUIRED:
        if event.get(name) is None:
            return f"{name} is missing"
    for name, length in LENGTHS.items():
        value = event.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            return f"{name} is not a string"
        if len(value) > length:
            return f"{name} is longer than {length} characters"
        if name in REQUIRED and not value:
            return f"{name} is empty"
    if not isinstance(event["event_ts"], str):
        return "event_ts is not a string"
    if not isinstance(event.get("payload"), dict | None):
        return "payload is not an object"
    return ""


def read_time(text: str) -> tuple[datetime, bool]:
    """(the UTC time of an ISO 8601 text, whether it was naive and read as UTC), or ValueError."""
    if len(text) > 64:
        raise ValueError("too long for a time")
    moment = datetime.fromisoformat(text.strip())
    try:
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC), True
        return moment.astimezone(UTC), False
    except OverflowError:
        raise ValueError("out of range") from None


def digest_of(event: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of an event: keys sorted, no white space."""
    return hashlib.sha256(msgspec.json.encode(event, order="sorted")).hexdigest()


# --- Trials -------------------------------------------------------------------------------------


def trial_of(event: Mapping[str, Any], *, effective_ts: datetime | None = None) -> Trial | None:
    """The trial that an event is, or None.

    A trial is a `task_result` with a boolean `correct` and a finite `rt_ms` of 0 to a day, null
    or -1 (a timeout). `effective_ts` is read from the event (export) unless given.
    """
    payload = event.get("payload")
    if event.get("event_type") != TRIAL_TYPE or not isinstance(payload, Mapping):
        return None
    correct = payload.get("correct")
    if not isinstance(correct, bool) or "rt_ms" not in payload:
        return None
    rt = payload["rt_ms"]
    if rt is not None:
        if isinstance(rt, bool) or not isinstance(rt, int | float) or not math.isfinite(rt):
            return None
        if rt == -1:
            rt = None
        elif not 0 <= rt <= MAX_RT_MS:
            return None
    if effective_ts is None:
        effective_ts = read_time(str(event.get("effective_ts") or event["event_ts"]))[0]
    task_type = payload.get("task_type")
    item_id = payload.get("item_id")
    difficulty = payload.get("difficulty")
    return Trial(
        user_id=event["user_id"],
        correct=correct,
        rt_ms=rt,
        task_type=(
            task_type
            if isinstance(task_type, str) and 0 < len(task_type) <= 64
            else DEFAULT_TASK_TYPE
        ),
        item_id=str(item_id)[:128] if isinstance(item_id, str | int) and item_id != "" else None,
        difficulty=_number(difficulty),
        model_version=event.get("model_version") or "",
        effective_ts=effective_ts,
    )


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def key_in(body: bytes) -> str:
    """The `api_key` of a body that is JSON but no envelope, to answer 401 before 400."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    return _text(value.get("api_key")) if isinstance(value, dict) else ""
