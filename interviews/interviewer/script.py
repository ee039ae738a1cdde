"""The scripted interviewer: what to say in a situation, as a pure function of it.

It answers by itself without a model and stands in for one that fails. The same context always
gives the same text; the seed, a reply's id, chooses among the phrasings.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from interviews.interviewer import feedback
from interviews.interviewer.context import InterviewContext, TestView
from interviews.interviewer.intents import Intent, detect
from interviews.interviewer.voice import Voice, shown

GIST_CHARS = 420


@dataclass(frozen=True, slots=True)
class Scripted:
    """A reply, with what it did: the number of the hint it gave, the topic it raised."""

    text: str
    intent: str = ""
    hint: int | None = None
    topic: str = ""


def reply(context: InterviewContext) -> str:
    """What the scripted interviewer says in `context`, in its language."""
    return respond(context).text


def respond(context: InterviewContext) -> Scripted:
    """The reply with a record of what it did. Never raises for any text a candidate writes."""
    voice = Voice(context)
    if context.kind == "chat":
        intent = detect(context.text)
        return _ANSWERS[intent](voice, intent)
    return _OCCASIONS[context.kind](voice)


def gist(statement: str) -> str:
    """The first sentences of a statement, without its headings."""
    lines = [line.strip() for line in statement.splitlines()]
    prose: list[str] = []
    for line in lines:
        if line.startswith(("#", "```", "|")):
            if prose:
                break
            continue
        if line:
            prose.append(line)
    text = " ".join(prose)
    if len(text) <= GIST_CHARS:
        return text
    end = max(text.rfind(mark, 0, GIST_CHARS) for mark in (". ", "? ", "! "))
    return text[: end + 1] if end > 80 else text[:GIST_CHARS].rsplit(" ", 1)[0] + " …"


# --- Occasions: the interviewer speaks first ------------------------------------------------


def _greeting(voice: Voice) -> Scripted:
    context = voice.context
    texts = voice.texts
    text = voice.say(
        "greeting",
        name=voice.name,
        track=texts.TRACKS.get(context.track, context.track),
        level=texts.LEVELS.get(context.level, context.level),
        minutes=voice.span(context.seconds_left or 0),
        expectation=voice.say(_for_level(voice, "expect", context.level) or "expect.junior"),
    )
    return Scripted(text, "greeting")


def _for_level(voice: Voice, key: str, level: str) -> str:
    return f"{key}.{level}" if voice.has(f"{key}.{level}") else ""


def _task(voice: Voice) -> Scripted:
    context = voice.context
    if not context.task:
        return Scripted(voice.say("next.no_task"), "task")
    seconds = context.task_seconds_left
    text = voice.say(
        "task",
        title=voice.title,
        minutes=voice.span(context.task.minutes * 60 if seconds is None else seconds + 30),
        attempts=voice.units(context.attempts_left or 0, "attempt"),
    )
    return Scripted(text, "task", topic="approach")


def _verdict(voice: Voice) -> Scripted:
    attempt = voice.context.attempt
    if attempt is None:
        return Scripted(voice.say("why.none"), "verdict")
    text = feedback.on_attempt(voice, attempt)
    return Scripted(
        text, f"verdict.{attempt.verdict}", topic="complexity" if attempt.verdict == "AC" else ""
    )


def _proof(voice: Voice) -> Scripted:
    attempt = voice.context.attempt
    line = feedback.telling_line(attempt.code) if attempt else ""
    text = voice.say("proof", line=line) if line else voice.say("proof.plain")
    return Scripted(text, "proof", topic="proof")


def _closing(voice: Voice) -> Scripted:
    context = voice.context
    if context.tasks_accepted:
        result = voice.say("closing.some", accepted=context.tasks_accepted, seen=context.tasks_seen)
    else:
        result = voice.say("closing.none")
    return Scripted(voice.say("closing", name=voice.name, result=result), "closing")


_OCCASIONS: dict[str, Callable[[Voice], Scripted]] = {
    "greeting": _greeting,
    "task": _task,
    "verdict": _verdict,
    "proof": _proof,
    "closing": _closing,
}


# --- Answers: the candidate wrote something --------------------------------------------------


def _plain(voice: Voice, intent: Intent) -> Scripted:
    return Scripted(voice.say(intent.value), intent)


def _leading_back(voice: Voice, intent: Intent) -> Scripted:
    return Scripted(voice.say(intent.value, next=voice.go_on()), intent)


def _explain(voice: Voice, intent: Intent) -> Scripted:
    task = voice.context.task
    if not task:
        return Scripted(voice.say("other.no_task"), intent)
    example = ""
    if task.tests:
        first = task.tests[0]
        example = voice.say("explain.example", **_given(voice, first))
    text = voice.say("explain", title=task.title, gist=gist(task.statement), example=example)
    if example:
        text = text.replace(f"{example} ", example)
    return Scripted(text, intent)


def _given(voice: Voice, test: TestView) -> dict[str, str]:
    nothing = voice.say("nothing")
    return {"given": shown(test.given, nothing), "expected": shown(test.expected, nothing)}


def _example(voice: Voice, intent: Intent) -> Scripted:
    task = voice.context.task
    if not task:
        return Scripted(voice.say("other.no_task"), intent)
    if not task.tests:
        return Scripted(voice.say("example.none"), intent)
    test = task.tests[zlib.crc32(voice.context.seed.encode()) % len(task.tests)]
    return Scripted(voice.say("example", name=test.name, **_given(voice, test)), intent)


def _hint(voice: Voice, intent: Intent) -> Scripted:
    context = voice.context
    if not context.task:
        return Scripted(voice.say("other.no_task"), intent)
    hints = context.task.hints
    if not hints:
        return Scripted(voice.say("hint.empty"), intent)
    if context.hints_given >= len(hints):
        example = context.task.tests[0].name if context.task.tests else "1"
        return Scripted(voice.say("hint.none", total=len(hints), example=example), intent)
    number = context.hints_given + 1
    text = voice.say("hint", number=number, total=len(hints), hint=hints[number - 1])
    text += voice.say("hint.last" if number == len(hints) else "hint.after")
    return Scripted(text, intent, hint=number)


def _why(voice: Voice, intent: Intent) -> Scripted:
    if voice.context.attempt is None:
        return Scripted(voice.say("why.none"), intent)
    return Scripted(feedback.on_attempt(voice, voice.context.attempt), intent)


def _time(voice: Voice, intent: Intent) -> Scripted:
    context = voice.context
    if context.seconds_left is None:
        return Scripted(voice.say("time.open"), intent)
    if context.seconds_left <= 0:
        return Scripted(voice.say("time.over"), intent)
    task = ""
    if context.task and context.task_seconds_left is not None:
        left = context.task_seconds_left
        task = (
            voice.say("time.task", left=voice.span(left))
            if left > 0
            else voice.say("time.task.over")
        )
    return Scripted(voice.say("time", session=voice.span(context.seconds_left), task=task), intent)


def _attempts(voice: Voice, intent: Intent) -> Scripted:
    if not voice.context.task:
        return Scripted(voice.say("other.no_task"), intent)
    left = voice.context.attempts_left or 0
    return Scripted(voice.say("attempts", attempts=voice.units(left, "attempt")), intent)


def _limits(voice: Voice, intent: Intent) -> Scripted:
    task = voice.context.task
    if not task:
        return Scripted(voice.say("other.no_task"), intent)
    return Scripted(
        voice.say(
            "limits",
            languages=", ".join(task.languages) or "-",
            time_s=f"{task.time_s:g}",
            memory_mb=task.memory_mb,
        ),
        intent,
    )


def _skip(voice: Voice, intent: Intent) -> Scripted:
    task = voice.context.task
    if not task:
        return Scripted(voice.say("other.no_task"), intent)
    rest = len(task.hints) - voice.context.hints_given
    hints = (
        voice.say("skip.hints", hints=voice.units(rest, "hint"))
        if rest > 0
        else voice.say("skip.no_hints")
    )
    return Scripted(voice.say("skip", hints=hints), intent)


def _finish(voice: Voice, intent: Intent) -> Scripted:
    left = voice.context.seconds_left
    if left is None or left <= 0:
        return Scripted(voice.say("time.over"), intent)
    return Scripted(voice.say("finish", session=voice.span(left)), intent)


def _approach(voice: Voice, intent: Intent) -> Scripted:
    context = voice.context
    if "depth" in context.asked:
        return Scripted(voice.say("approach.again"), intent)
    key = _for_level(voice, "approach", context.level) or "approach"
    return Scripted(voice.say(key), intent, topic="depth")


def _ready(voice: Voice, intent: Intent) -> Scripted:
    if voice.context.task and "approach" not in voice.context.asked:
        ask = voice.say("ask.approach", title=voice.title)
        return Scripted(voice.say("ready", next=ask), intent, topic="approach")
    return _leading_back(voice, intent)


def _other(voice: Voice, intent: Intent) -> Scripted:
    context = voice.context
    if not context.task:
        return Scripted(voice.say("other.no_task"), intent)
    if "approach" not in context.asked:
        return Scripted(voice.say("ask.approach", title=voice.title), intent, topic="approach")
    return Scripted(voice.say("other", title=voice.title), intent)


_ANSWERS: dict[Intent, Callable[[Voice, Intent], Scripted]] = {
    Intent.SOLUTION: _plain,
    Intent.HINT: _hint,
    Intent.WHY: _why,
    Intent.TIME: _time,
    Intent.ATTEMPTS: _attempts,
    Intent.EXAMPLE: _example,
    Intent.LIMITS: _limits,
    Intent.EXPLAIN: _explain,
    Intent.SKIP: _skip,
    Intent.FINISH: _finish,
    Intent.RULES: _plain,
    Intent.WHO: _plain,
    Intent.COMPLEXITY: _plain,
    Intent.APPROACH: _approach,
    Intent.HELLO: _leading_back,
    Intent.THANKS: _leading_back,
    Intent.SMALL_TALK: _leading_back,
    Intent.READY: _ready,
    Intent.OTHER: _other,
}
