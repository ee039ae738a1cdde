"""The answer of a function task: one frame, made inside the sandbox, judged outside.

A frame is the run's nonce (16 bytes), the length of the value (4 bytes, big-endian) and the value
as JSON in UTF-8. The nonce is random for each run and known only to the driver in the sandbox, so
bytes that a program writes blindly to every descriptor are no frame. Whoever digs it out of the
driver can only do what `return` does: give an answer, which is compared outside.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from tasks.sandbox.base import gettext_noop as _

NONCE_BYTES = 16
MAX_DEPTH = 64
MAX_DIGITS = 4300


class ProtocolError(Exception):
    """There is no answer; the message says why, for the candidate to read.

    It is an English sentence that the message catalogue knows: whoever shows it translates it.
    """


def decode(data: bytes, *, nonce: bytes) -> Any:
    """The value of the only frame in `data`. Raises `ProtocolError` for anything else."""
    if not data:
        raise ProtocolError(_("The program ended without returning an answer."))
    if len(data) < NONCE_BYTES + 4 or data[:NONCE_BYTES] != nonce:
        raise ProtocolError(_("Something that is not an answer was written where the answer goes."))
    start = NONCE_BYTES + 4
    length = int.from_bytes(data[NONCE_BYTES:start], "big")
    if len(data) != start + length:
        raise ProtocolError(_("The answer is incomplete, or there is more than one."))
    try:
        value = json.loads(
            data[start:].decode("utf-8"), parse_constant=_refuse_constant, parse_int=_integer
        )
    except UnicodeDecodeError:
        raise ProtocolError(_("The answer is not valid UTF-8."))
    except RecursionError:
        raise ProtocolError(_("The answer is nested too deeply."))
    except ValueError:
        raise ProtocolError(_("The answer is not valid JSON."))
    _check(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ProtocolError(_("The answer contains a number that JSON does not know."))


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ProtocolError(_("The answer contains a number with too many digits."))
    return int(digits)


def _check(value: Any) -> None:
    pending = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, (dict, list)):
            if depth > MAX_DEPTH:
                raise ProtocolError(_("The answer is nested too deeply."))
            if isinstance(item, dict):
                pending.extend((key, depth) for key in item)
            parts = item.values() if isinstance(item, dict) else item
            pending.extend((part, depth + 1) for part in parts)
        elif isinstance(item, str):
            try:
                item.encode("utf-8")
            except UnicodeEncodeError:
                raise ProtocolError(_("The answer contains text that is not valid Unicode."))
        elif isinstance(item, float) and not math.isfinite(item):
            raise ProtocolError(_("The answer contains a number that is too large."))
