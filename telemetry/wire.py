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
from typing import Annotated, Any

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

# Digits and points are "0", the letter of an exponent is "e", all else is a space.
_KINDS = bytes(48 if c in b"0123456789." else 101 if c in b"eE" else 32 for c in range(256))
_LONG = b"0" * 16
# A number stands after one of these marks, and there only within an odd string besides.
_NUMBER = re.compile(rb"[:,\[\s]-?(?:[\d.]{16}|[\d.]+[eE])")
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
    """A parsed body: the events as the bytes that were sent, in their order.

    `plain` says that the body holds no number and no escape that needs a closer look.
    """

    events: list[bytes]
    api_key: str
    client_version: str
    plain: bool = False


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """An event that is quarantined: its position, why, and its raw JSON."""

    index: int
    reason: str
    detail: str
    raw: str


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An event that is stored; `raw` is its JSON text as sent."""

    index: int
    event_id: str
    event_type: str
    event_ts: datetime
    effective_ts: datetime
    user_id: str
    session_id: str
    model_version: str
    flags: tuple[str, ...]
    raw: str
    trial: Trial | None


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """A row that was really inserted, as the receivers of `events_stored` get it."""

    seq: int
    user_id: str
    model_version: str
    effective_ts: datetime
    trial: Trial | None
    session_id: str = ""


class Trial(msgspec.Struct, frozen=True, gc=False):
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
    plain = originals is None and _is_plain(body)
    return Envelope(events, _text(envelope.api_key), _text(envelope.client_version)[:128], plain)


def _is_plain(body: bytes) -> bool:
    """Whether no event can be `unstorable`: no `\\u`, no exponent, no number of 16 digits.

    Two searches of the translated text decide for nearly every body; what looks like such a
    number there may still lie within a string, as in an id of hexadecimal digits.
    """
    if b"\\u" in body:
        return False
    kinds = body.translate(_KINDS)
    return (_LONG not in kinds and b"0e" not in kinds) or not _NUMBER.search(body)


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


def _limited(name: str) -> Any:
    least = 1 if name in REQUIRED else 0
    return Annotated[str, msgspec.Meta(min_length=least, max_length=LENGTHS[name])]


class _Event(msgspec.Struct, gc=False):
    """What an event must be; anything else is looked at closely, to say what is wrong."""

    event_id: _limited("event_id")  # type: ignore[valid-type]
    event_type: _limited("event_type")  # type: ignore[valid-type]
    event_ts: Annotated[str, msgspec.Meta(max_length=64)]
    user_id: _limited("user_id")  # type: ignore[valid-type]
    session_id: _limited("session_id") | None = None  # type: ignore[valid-type]
    model_version: _limited("model_version") | None = None  # type: ignore[valid-type]
    payload: dict[str, Any] | None = None


_decode_event = msgspec.json.Decoder(_Event).decode


def read_events(envelope: Envelope, now: datetime) -> list[Accepted | Rejected]:
    """The events of an envelope as `read_event` has them, by the typed decoder where it can."""
    events = enumerate(envelope.events)
    if not envelope.plain:
        return [read_event(raw, index, now) for index, raw in events]
    latest = now + CLOCK_TOLERANCE
    return [_read_plain(raw, index, now, latest) for index, raw in events]


def _read_plain(raw: bytes, index: int, now: datetime, latest: datetime) -> Accepted | Rejected:
    if len(raw) > MAX_EVENT or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        return read_event(raw, index, now)
    try:
        event = _decode_event(raw)
        moment = datetime.fromisoformat(event.event_ts)
        naive = moment.tzinfo is None
        if naive:
            moment = moment.replace(tzinfo=UTC)
        elif moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC)
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
        return read_event(raw, index, now)
    effective = moment
    flags: tuple[str, ...] = ("naive_ts",) if naive else ()
    if moment > latest:
        effective = now
        flags = (*flags, "clock_ahead")
    model_version = event.model_version or ""
    trial = None
    if event.event_type == TRIAL_TYPE:
        trial = _trial(event.payload or {}, event.user_id, model_version, effective)
        if trial is None:
            flags = (*flags, "not_scored")
    return Accepted(
        index,
        event.event_id,
        event.event_type,
        moment,
        effective,
        event.user_id,
        event.session_id or "",
        model_version,
        flags,
        raw.decode(),
        trial,
    )


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


def digest_of(raw: str) -> str:
    """SHA-256 of the canonical JSON of an event's text: keys sorted, no white space."""
    canonical = msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
    return hashlib.sha256(canonical).hexdigest()


# --- Trials -------------------------------------------------------------------------------------


def trial_of(event: Mapping[str, Any], *, effective_ts: datetime | None = None) -> Trial | None:
    """The trial that an event is, or None.

    A trial is a `task_result` with a boolean `correct` and a finite `rt_ms` of 0 to a day, null
    or -1 (a timeout). `effective_ts` is read from the event (export) unless given.
    """
    payload = event.get("payload")
    if event.get("event_type") != TRIAL_TYPE or not isinstance(payload, Mapping):
        return None
    if effective_ts is None:
        effective_ts = read_time(str(event.get("effective_ts") or event["event_ts"]))[0]
    return _trial(payload, event["user_id"], event.get("model_version") or "", effective_ts)


def _trial(
    payload: Mapping[str, Any], user_id: str, model_version: str, effective_ts: datetime
) -> Trial | None:
    get = payload.get
    correct = get("correct")
    if (correct is not True and correct is not False) or "rt_ms" not in payload:
        return None
    rt = get("rt_ms")
    if rt is not None:
        if type(rt) is not float and type(rt) is not int:
            return None
        if rt == -1:
            rt = None
        elif not 0 <= rt <= MAX_RT_MS:  # neither is NaN
            return None
    task_type = get("task_type")
    if not isinstance(task_type, str) or not 0 < len(task_type) <= 64:
        task_type = DEFAULT_TASK_TYPE
    item_id = get("item_id")
    if item_id is not None:
        known = isinstance(item_id, str | int) and item_id != ""
        item_id = str(item_id)[:128] if known else None
    difficulty = get("difficulty")
    if difficulty is not None:
        difficulty = _number(difficulty)
    return Trial(user_id, correct, rt, task_type, item_id, difficulty, model_version, effective_ts)


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
