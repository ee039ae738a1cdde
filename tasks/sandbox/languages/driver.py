"""Runs inside the sandbox: calls the candidate's function once and answers with its value.

Standard input is a JSON object with `nonce`, `entry` and `args`; the last argument is the number
of the descriptor that takes the answer: nonce, length, JSON. Everything that decides is outside;
what a program does to this file's objects can change its own answer, and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


def _main() -> None:
    with open(0, "rb", closefd=False) as stream:
        call = json.loads(stream.read())
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    answer = int(sys.argv.pop())
    nonce = bytes.fromhex(call["nonce"])
    with open("solution.py", "rb") as file:
        source = file.read()
    sys.argv[:] = ["solution.py"]
    module = types.ModuleType("solution")
    module.__file__ = "/w/solution.py"
    sys.modules["solution"] = module
    try:
        code = compile(source, "/w/solution.py", "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102
        function = module.__dict__.get(call["entry"])
        if not callable(function):
            _fail("solution.py does not define the function " + call["entry"])
        value = function(*call["args"])
    except SystemExit:
        raise
    except BaseException as error:
        _report(error)
        sys.exit(1)
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        _fail("the answer cannot be written as JSON: " + str(error))
    payload = text.encode("utf-8", "surrogatepass")
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


def _plain(value: Any, depth: int = 0) -> Any:
    """`value` in the types of JSON alone: tuples are lists, subclasses their base."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__add__(value, 0)
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    if depth > 200:
        raise ValueError("it is nested too deeply")
    if isinstance(value, (list, tuple)):
        items = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
        return [_plain(item, depth + 1) for item in items]
    if isinstance(value, dict):
        return {_key(key): _plain(item, depth + 1) for key, item in dict.items(value)}
    raise TypeError("a value of the type " + type(value).__name__ + " is not JSON")


def _key(key: object) -> str:
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise TypeError("a key of the type " + type(key).__name__ + " is not JSON")
    return str.__str__(key) if isinstance(key, str) else int.__repr__(key)


_dump = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


def _encode(
    value: object, dump: Callable[[Any], str] = _dump, plain: Callable[[Any], Any] = _plain
) -> str:
    return dump(plain(value))


if __name__ == "__main__":
    _main()
