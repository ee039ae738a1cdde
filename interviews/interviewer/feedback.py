"""What the script says about a judged attempt: specific, from what the candidate may see."""

from __future__ import annotations

import re

from interviews.interviewer.context import AttemptView, TestView
from interviews.interviewer.voice import Voice, shown

_ERROR = re.compile(
    r"^(?:Uncaught\s+)?(?:[\w.]+\.)?(\w*(?:Error|Exception|Interrupt|Iteration))\b(?::\s*(.*))?$",
    re.MULTILINE,
)
_LINE = re.compile(r"(?:line |:)(\d{1,6})\b")
_LOOP = re.compile(r"^(\s*)(?:for|while)\b")
_LOOKUP = re.compile(
    r"\bif\b[^\n]*\b(?:not )?in \w+\s*(?::|$|\band\b|\bor\b)|\.(?:count|index|includes|indexOf|shift)\(",
    re.MULTILINE,
)
_FUNCTION = re.compile(r"^\s*(?:def|function)\s+(\w+)\s*\(", re.MULTILINE)
SHOWN_ERROR = 160


def on_attempt(voice: Voice, attempt: AttemptView) -> str:
    """Feedback on an attempt, by its verdict, with the attempts that are left.

    Where the verdict comes from hidden tests alone and a visible one fails in another way, it is
    about that one: it can be looked at.
    """
    spoken = attempt.verdict
    first = attempt.first_failed
    if first is not None and all(test.verdict != spoken for test in attempt.tests):
        spoken = first.verdict
    test = next((test for test in attempt.tests if test.verdict == spoken), None)
    text = _BY_VERDICT.get(spoken, _wrong)(voice, attempt, test)
    if spoken != attempt.verdict and voice.has(f"beyond.{attempt.verdict}"):
        text += voice.say(f"beyond.{attempt.verdict}")
    if attempt.verdict in ("AC", "IE"):
        return text
    left = voice.context.attempts_left
    if left == 0:
        text += voice.say("left.none")
    elif left is not None and left <= 2:
        text += voice.say("left", attempts=voice.units(left, "attempt"))
    return text


def error_of(stderr: str) -> tuple[str, str, str]:
    """(type, message, line) of the exception that ended a program; empty where not found."""
    found = list(_ERROR.finditer(stderr))
    if not found:
        return "", "", ""
    last = found[-1]
    lines = _LINE.findall(stderr[: last.start()])
    return last.group(1), (last.group(2) or "").strip(), lines[-1] if lines else ""


def nested_loops(code: str) -> bool:
    """Whether a loop stands inside another, judged by indentation."""
    open_loops: list[int] = []
    for line in code.splitlines():
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        while open_loops and indent <= open_loops[-1]:
            open_loops.pop()
        if _LOOP.match(line):
            if open_loops:
                return True
            open_loops.append(indent)
    return False


def calls_itself(code: str) -> bool:
    """Whether a function names itself in its own body without a cache in sight."""
    if re.search(r"\b(?:lru_cache|cache|memo\w*)\b", code):
        return False
    starts = list(_FUNCTION.finditer(code))
    for index, start in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(code)
        body = code[start.end() : end]
        indented = "\n".join(line for line in body.splitlines()[1:] if line[:1] in (" ", "\t", ""))
        if re.search(rf"\b{re.escape(start.group(1))}\s*\(", indented):
            return True
    return False


def telling_line(code: str) -> str:
    """The line of a program most worth asking about: a loop, else a condition, else the longest."""
    lines = [line.strip() for line in code.splitlines()]
    lines = [
        line
        for line in lines
        if len(line) > 6 and not line.startswith(("#", "//", "import", "from"))
    ]
    for start in ("while", "for", "if", "return"):
        found = [line for line in lines if line.startswith(start)]
        if found:
            return max(found, key=len)[:SHOWN_ERROR]
    return max(lines, key=len)[:SHOWN_ERROR] if lines else ""


def _counts(attempt: AttemptView) -> dict[str, object]:
    return {"passed": attempt.passed, "total": attempt.total}


def _edge(voice: Voice, attempt: AttemptView) -> str:
    """A class of inputs to try, another one for each attempt."""
    kind = voice.context.task.kind if voice.context.task else "stdio"
    edges = voice.texts.EDGES.get(kind, voice.texts.EDGES["stdio"])
    return str(edges[((attempt.number or 1) - 1) % len(edges)])


def _accepted(voice: Voice, attempt: AttemptView, test: TestView | None) -> str:
    key = "AC.senior" if voice.context.level == "senior" else "AC"
    return voice.say(key, **_counts(attempt)) + voice.say("AC.more")


def _wrong(voice: Voice, attempt: AttemptView, test: TestView | None) -> str:
    if test is None:
        return voice.say("WA.hidden", edge=_edge(voice, attempt), **_counts(attempt))
    nothing = voice.say("nothing")
    return voice.say(
        "WA.visible",
        name=test.name,
        given=shown(test.given, nothing),
        expected=shown(test.expected, nothing),
        actual=shown(test.stdout, nothing),
        question=_difference(voice, test),
        **_counts(attempt),
    )


def _difference(voice: Voice, test: TestView) -> str:
    """What kind of difference lies between the expected and the actual output."""
    expected, actual = test.expected.split(), test.stdout.split()
    if not actual:
        return voice.say("WA.empty")
    if [word.casefold() for word in expected] == [word.casefold() for word in actual]:
        return voice.say("WA.whitespace")
    if len(expected) != len(actual):
        return voice.say("WA.length", actual=len(actual), expected=len(expected))
    pairs = [(left, right) for left, right in zip(expected, actual, strict=True) if left != right]
    if all(_off_by_one(left, right) for left, right in pairs):
        return voice.say("WA.near")
    return voice.say("WA.first", expected=pairs[0][0][:60], actual=pairs[0][1][:60])


def _off_by_one(left: str, right: str) -> bool:
    number = re.compile(r"-?\d{1,18}\Z")
    return bool(number.match(left) and number.match(right)) and abs(int(left) - int(right)) == 1


def _too_slow(voice: Voice, attempt: AttemptView, test: TestView | None) -> str:
    if attempt.passed == 0 and all(test.verdict == "TLE" for test in attempt.tests):
        reason = "TLE.endless"
    elif nested_loops(attempt.code):
        reason = "TLE.nested"
    elif _LOOKUP.search(attempt.code):
        reason = "TLE.membership"
    elif calls_itself(attempt.code):
        reason = "TLE.recursion"
    else:
        reason = "TLE.plain"
    task = voice.context.task
    time_s = f"{task.time_s:g}" if task else "2"
    return voice.say("TLE", loops=voice.say(reason), time_s=time_s, **_counts(attempt))


def _crashed(voice: Voice, attempt: AttemptView, test: TestView | None) -> str:
    if test is None:
        return voice.say("RTE.unseen", edge=_edge(voice, attempt), **_counts(attempt))
    error, message, line = error_of(test.stderr)
    if not error and test.exit_signal:
        return voice.say("RTE.signal", signal=test.exit_signal, **_counts(attempt))
    complaint = [line.strip() for line in test.stderr.splitlines() if line.strip()]
    called = voice.context.task is not None and voice.context.task.kind == "function"
    if not error and test.exit_code and not (called and complaint):
        return voice.say("RTE.exit", code=test.exit_code, **_counts(attempt))
    if not error:
        reason = complaint[-1][:SHOWN_ERROR] if complaint else voice.say("nothing")
        return voice.say("RTE.answer", reason=reason, **_counts(attempt))
    described = f"{error}: {message}" if message else error
    advice = voice.texts.ERRORS.get(f"{error}.{attempt.language}") or voice.texts.ERRORS.get(error)
    return voice.say(
        "RTE",
        error=described[:SHOWN_ERROR],
        line=voice.say("RTE.line", line=line) if line else "",
        advice=advice or voice.texts.ERROR_UNKNOWN,
        **_counts(attempt),
    )


def _not_compiled(voice: Voice, attempt: AttemptView, test: TestView | None) -> str:
    output = attempt.compile_output or attempt.stderr
    error, message, line = error_of(output)
    if error:
        where = voice.say("RTE.line", line=line) if line else ""
        return voice.say("CE", message=f"{error}{where}: {message}"[:SHOWN_ERROR].rstrip(": "))
    first = next((text.strip() for text in output.splitlines() if text.strip()), "")
    return voice.say("CE", message=first[:SHOWN_ERROR]) if first else voice.say("CE.plain")


def _too_large(voice: Voice, attempt: AttemptView, test: TestView | None) -> str:
    task = voice.context.task
    return voice.say("MLE", memory_mb=task.memory_mb if task else 256, **_counts(attempt))


def _too_loud(voice: Voice, attempt: AttemptView, test: TestView | None) -> str:
    return voice.say("OLE", **_counts(attempt))


def _our_fault(voice: Voice, attempt: AttemptView, test: TestView | None) -> str:
    return voice.say("IE")


_BY_VERDICT = {
    "AC": _accepted,
    "WA": _wrong,
    "TLE": _too_slow,
    "RTE": _crashed,
    "CE": _not_compiled,
    "MLE": _too_large,
    "OLE": _too_loud,
    "IE": _our_fault,
}
