"""Changes of a JavaScript program, made on its tokens.

No parser: a program is cut into tokens well enough to know operators from the insides of texts and
regular expressions, and statements from expressions. Where a place is not certain it is left alone;
a change that still breaks the syntax does not compile and is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tasks.mutation.base import Change

_SWAPS: dict[str, tuple[str, ...]] = {
    "<": ("<=", ">"),
    "<=": ("<", ">="),
    ">": (">=", "<"),
    ">=": (">", "<="),
    "===": ("!==",),
    "!==": ("===",),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "??": ("&&",),
    "*": ("+",),
    "/": ("*",),
    "%": ("*",),
    "**": ("*",),
    "&": ("|",),
    "|": ("&",),
    "^": ("&",),
    "<<": (">>",),
    ">>": ("<<",),
    ">>>": ("<<",),
    "+=": ("-=",),
    "-=": ("+=",),
    "*=": ("+=",),
    "/=": ("*=",),
    "%=": ("*=",),
    "++": ("--",),
    "--": ("++",),
}
_BINARY_ONLY = {"+": "-", "-": "+"}
_WORDS = {"true": ("false",), "false": ("true",), "break": ("continue",), "continue": ("break",)}
# A word after which a slash begins a regular expression, and a sign or a bracket an operand.
_OPERATOR_WORDS = {
    "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do",
    "instanceof", "yield", "await",
}  # fmt: skip
_NO_STATEMENT = {
    "const", "let", "var", "function", "class", "if", "for", "while", "do", "return", "else",
    "switch", "case", "default", "try", "catch", "finally", "async", "import", "export", "throw",
}  # fmt: skip
_NOT_CALLED = _NO_STATEMENT | _OPERATOR_WORDS | {"super"}
_SYMMETRIC = {"min", "max", "hypot", "imul"}
_OPEN, _CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}

_TOKEN = re.compile(
    r"""
      (?P<space>\s+ | //[^\n]* | /\*.*?\*/)
    | (?P<text>"(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*')
    | (?P<number>0[xXbBoO][0-9a-fA-F_]+n? | (?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?n?)
    | (?P<word>[A-Za-z_$#][\w$]*)
    | (?P<mark>>>>=|\.\.\.|===|!==|\*\*=|<<=|>>=|>>>|&&=|\|\|=|\?\?=
        |=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.|\+\+|--|\+=|-=|\*=|/=|%=|&=|\|=|\^=|<<|>>|\*\*
        |[{}()\[\];,<>+\-*/%&|^!~?:=.@])
    """,
    re.VERBOSE | re.DOTALL,
)
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")


class Token(NamedTuple):
    """A piece of the program: its kind, its text, where it stands, and the bracket around it
    (the index of the opening token, -1 outside of all)."""

    kind: str
    text: str
    start: int
    end: int
    inside: int


def tokens(source: str) -> list[Token]:
    """The tokens of a program without spaces and comments. Raises `ValueError` for none of ours."""
    found: list[Token] = []
    stack: list[int] = []
    at = 0
    while at < len(source):
        if source[at] == "`":
            kind, end = "text", _template_end(source, at)
        elif source[at] == "/" and (regex := _regex_at(source, at, found)):
            kind, end = "text", regex
        elif match := _TOKEN.match(source, at):
            kind, end = str(match.lastgroup), match.end()
        else:
            raise ValueError(f"no token of JavaScript at {at}: {source[at : at + 10]!r}")
        text = source[at:end]
        if kind == "mark" and text in _CLOSE and stack:
            stack.pop()
        if kind != "space":
            found.append(Token(kind, text, at, end, stack[-1] if stack else -1))
            if kind == "mark" and text in _OPEN:
                stack.append(len(found) - 1)
        at = end
    return found


def _template_end(source: str, start: int) -> int:
    """Where a template literal ends; what stands in its `${}` is part of it."""
    at, depth = start + 1, 0
    while at < len(source):
        if source[at] == "\\":
            at += 1
        elif depth == 0 and source[at] == "`":
            return at + 1
        elif source.startswith("${", at):
            depth += 1
            at += 1
        elif depth and source[at] == "{":
            depth += 1
        elif depth and source[at] == "}":
            depth -= 1
        elif depth and source[at] == "`":
            at = _template_end(source, at) - 1
        at += 1
    raise ValueError("a template literal without an end")


def _regex_at(source: str, at: int, found: list[Token]) -> int:
    """Where the regular expression that begins here ends, 0 for a comment or a division."""
    if source.startswith(("//", "/*"), at) or (found and _ends_operand(found[-1])):
        return 0
    match = _REGEX.match(source, at)
    return match.end() if match else 0


def _ends_operand(token: Token) -> bool:
    if token.kind == "word":
        return token.text not in _OPERATOR_WORDS
    return token.kind in ("number", "text") or token.text in (")", "]", "}")


def changes(source: str) -> Iterator[Change]:
    """Every change of `source`, from its beginning to its end. Raises `ValueError`."""
    found = tokens(source)
    for index, token in enumerate(found):
        for start, end, new in _changed(source, found, index, token):
            line = source.count("\n", 0, start) + 1
            mutated = source[:start] + new + source[end:]
            # Some of what is around it, so that a person sees where it is, and names differ.
            left, right = source.rfind("\n", 0, start) + 1, source.find("\n", end)
            after = source[end : right if right >= 0 else len(source)]
            old = (source[left:end] + after).strip()
            yield Change(line, old, (source[left:start] + new + after).strip(), mutated)


def _changed(
    source: str, found: list[Token], index: int, token: Token
) -> Iterator[tuple[int, int, str]]:
    """(start, end, the new text) of each change that begins with this token."""
    before = found[index - 1] if index else None
    text, start, end = token.text, token.start, token.end
    if token.kind == "mark":
        for other in _SWAPS.get(text, ()):
            yield start, end, other
        if text in _BINARY_ONLY and before and _ends_operand(before) and before.text != "}":
            yield start, end, _BINARY_ONLY[text]
        if text == "!" or (text == "-" and not (before and _ends_operand(before))):
            yield start, end, ""
        if text == "(" and before is not None:
            yield from _swapped(source, found, index)
    elif token.kind == "number" and re.fullmatch(r"\d+n?", text):
        digits, suffix = text.rstrip("n"), "n" if text.endswith("n") else ""
        for number in (int(digits) + 1, int(digits) - 1):
            yield start, end, f"{number}{suffix}" if number >= 0 else f"({number}{suffix})"
    elif token.kind == "word" and (before is None or before.text not in (".", "?.")):
        for other in _WORDS.get(text, ()):
            yield start, end, other
        if text in ("if", "while") and (close := _closing(found, index + 1)):
            inner = source[found[index + 1].end : found[close].start]
            if not re.fullmatch(r"\s*true\s*|[^=&|<>]*[!=]==?[^=&|<>]*|\s*!\s*[\w$.]+\s*", inner):
                yield found[index + 1].start, found[close].end, f"(!({inner}))"
        if text == "return" and (stop := _statement_end(found, index)) and stop > index + 1:
            yield start, found[stop].start, "return null"
    if _begins_statement(found, index) and (stop := _statement_end(found, index)):
        yield start, found[stop].end, ";"


def _closing(found: list[Token], opening: int) -> int:
    """The index of the bracket that closes this one, 0 where none is."""
    if opening >= len(found) or found[opening].text not in _OPEN:
        return 0
    outside = found[opening].inside
    for index in range(opening + 1, len(found)):
        token = found[index]
        if token.kind == "mark" and token.text in _CLOSE and token.inside == outside:
            return index
    return 0


def _swapped(source: str, found: list[Token], opening: int) -> Iterator[tuple[int, int, str]]:
    """The first two arguments of a call in each other's place."""
    name, close = found[opening - 1], _closing(found, opening)
    before = found[opening - 2] if opening > 1 else None
    called = name.kind == "word" and name.text not in _NOT_CALLED | _SYMMETRIC
    defined = before is not None and before.text in ("function", "*", "get", "set", "static")
    body = close and close + 1 < len(found) and found[close + 1].text in ("{", "=>")
    if not (called and close) or defined or body:
        return
    inside = range(opening + 1, close)
    commas = [i for i in inside if found[i].text == "," and found[i].inside == opening]
    if not commas:
        return
    stop = commas[1] if len(commas) > 1 else close
    first = source[found[opening].end : found[commas[0]].start].strip()
    second = source[found[commas[0]].end : found[stop].start].strip()
    if second and not first.startswith("...") and not second.startswith("..."):
        yield found[opening].end, found[stop].start, f"{second}, {first}"


def _begins_statement(found: list[Token], index: int) -> bool:
    """Whether a statement that may be left out begins here: an expression, a jump."""
    token = found[index]
    if token.kind != "word" or token.text in _NO_STATEMENT:
        return False
    if token.inside >= 0 and found[token.inside].text != "{":
        return False
    return index == 0 or found[index - 1].text in (";", "{", "}", ")", "else")


def _statement_end(found: list[Token], index: int) -> int:
    """The index of the semicolon that ends the statement at `index`, 0 where that is not certain."""
    for at in range(index + 1, len(found)):
        token = found[at]
        if token.inside == found[index].inside and token.text in (";", ":", ",", "=>"):
            return at if token.text == ";" else 0
        if token.text in _CLOSE and token.inside < found[index].inside:
            return 0
    return 0
