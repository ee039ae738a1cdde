"""Runs inside the sandbox: calls the candidate's function once and answers with its value.

The answer goes to a descriptor of its own: nonce, length, JSON. Everything that decides is
outside; what a program does to this file's objects can change its own answer, and nothing else.
`server.py` uses it in a child that it forks; run as a program it reads a JSON object with
`nonce`, `entry` and `args` from standard input, and its last argument is the descriptor.
"""

from __future__ import annotations

import marshal
import os
import sys
import types
from _json import encode_basestring_ascii as _text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_PATH = "/w/solution.py"
_INFINITE = float("inf")


def answer_call(call: int, answer: int, code: types.CodeType | None) -> NoReturn:
    """Execute `code` afresh and answer the `call` that the descriptor holds."""
    parts = []
    while part := os.read(call, 1 << 16):
        parts.append(part)
    os.close(call)
    nonce, entry, args = marshal.loads(b"".join(parts))  # noqa: S302, from outside
    _answer(answer, nonce, entry, args, code)


def _main() -> None:
    import json

    with open(0, "rb", closefd=False) as stream:
        call = json.loads(stream.read())
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    answer = int(sys.argv.pop())
    _answer(answer, bytes.fromhex(call["nonce"]), call["entry"], call["args"], None)


def _answer(
    answer: int, nonce: bytes, entry: str, args: list[Any], code: types.CodeType | None
) -> NoReturn:
    sys.argv[:] = ["solution.py"]
    module = types.ModuleType("solution")
    module.__file__ = _PATH
    sys.modules["solution"] = module
    try:
        if code is None:
            with open(_PATH, "rb") as file:
                code = compile(file.read(), _PATH, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102
        function = module.__dict__.get(entry)
        if not callable(function):
            _fail("solution.py does not define the function " + entry)
        value = function(*args)
    except SystemExit:
        raise
    except BaseException as error:
        _report(error)
        sys.exit(1)
    parts: list[str] = []
    try:
        encode(value, parts)
    except (TypeError, ValueError, RecursionError) as error:
        _fail("the answer cannot be written as JSON: " + str(error))
    payload = "".join(parts).encode()
    frame = nonce + len(payload).to_bytes(4, "big") + payload
    _flush()
    while frame:
        frame = frame[os.write(answer, frame) :]
    os._exit(0)


def _flush() -> None:
    """What the program printed comes before what is said about it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: S110, the program may have put anything there
            pass


def _fail(message: str) -> NoReturn:
    _flush()
    os.write(2, message.encode("utf-8", "replace") + b"\n")
    sys.exit(1)


def _report(error: BaseException) -> None:
    """The traceback without the frames of this file."""
    import traceback

    _flush()
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def encode(value: Any, parts: list[str], depth: int = 0, text: Any = _text) -> None:
    """`value` as JSON: tuples are lists, subclasses their base, whatever they override."""
    if value is None or value is True or value is False:
        parts.append("null" if value is None else "true" if value else "false")
    elif isinstance(value, str):
        parts.append(text(str.__str__(value)))
    elif isinstance(value, int):
        parts.append(int.__repr__(value))
    elif isinstance(value, float):
        number = float.__add__(value, 0.0)
        if number != number or number in (_INFINITE, -_INFINITE):
            raise ValueError("Out of range float values are not JSON compliant")
        parts.append(float.__repr__(number))
    elif depth > 200:
        raise ValueError("it is nested too deeply")
    elif isinstance(value, (list, tuple)):
        items = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
        before = "["
        for item in items:
            parts.append(before)
            encode(item, parts, depth + 1)
            before = ","
        parts.append("[]" if before == "[" else "]")
    elif isinstance(value, dict):
        before = "{"
        for key, item in dict.items(value):
            parts.append(before + text(_key(key)) + ":")
            encode(item, parts, depth + 1)
            before = ","
        parts.append("{}" if before == "{" else "}")
    else:
        raise TypeError("a value of the type " + type(value).__name__ + " is not JSON")


def _key(key: object) -> str:
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise TypeError("a key of the type " + type(key).__name__ + " is not JSON")
    return str.__str__(key) if isinstance(key, str) else int.__repr__(key)


if __name__ == "__main__":
    _main()
