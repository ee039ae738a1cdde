"""Keeps secrets out of the log: keys, tokens, passwords and credentials in addresses.

`redact` works on any text; `RedactingFilter` stands on every log handler and applies it to the
message, its arguments and the traceback of each record.
"""

from __future__ import annotations

import copy
import logging
import re
from urllib.parse import unquote_plus

MASK = "[redacted]"

_NAMES = (
    r"api[_-]?key|x-api-key|secret(?:[_-]?key)?|pass(?:word|wd)?\d?|(?:old|new)_password\d?"
    r"|(?:access|refresh|csrf(?:middleware)?|invite|id|auth)?[_-]?token|access|refresh|invite"
    r"|authorization|proxy-authorization|cookie|set-cookie|sessionid|openai_api_key"
    r"|neurogame_api_key"
)
SECRET_PARAMETER = re.compile(rf"(?:{_NAMES}|key|code|sig|signature)\Z", re.IGNORECASE)

# name=value (a query, a form), "name": "value" (JSON, a repr), Name: value (a header).
_FORM = re.compile(rf"(?<![\w-])({_NAMES})(=)([^&\s\"';,)}}\]]+)", re.IGNORECASE)
_QUOTED = re.compile(
    rf"""(["'])({_NAMES})\1(\s*[:,]\s*)b?(["'])((?:\\.|(?!\4).)*)\4""", re.IGNORECASE | re.DOTALL
)
_HEADER = re.compile(
    r"\b(authorization|proxy-authorization|x-api-key|cookie|set-cookie)(\s*:\s*)([^\r\n\"']+)"
    r"|\b(password|passwd|api[_-]?key|token|secret)(\s*:\s*)([^\s\"',;]+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(Bearer|Basic|Token)(\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{6,}\.[\w-]{4,}\.[\w-]*")
_PROVIDER_KEY = re.compile(r"\bsk-[\w-]{8,}")
# A key of this product's own, wherever it stands; its first letters, by which it is known, may show.
_OWN_KEY = re.compile(r"(?<![A-Za-z0-9])ngk_[\w-]{8,}")
_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)([^\s@/]+)(@)", re.IGNORECASE)

# Paths that carry a secret themselves: a password reset's link, an invite's link.
_SECRET_PATH = re.compile(r"(/reset/[^/?#]+/|/invites?/|/i/)([^/?#]+)")


def redact(text: str) -> str:
    """`text` with every secret it shows replaced by `[redacted]`."""
    text = _QUOTED.sub(rf"\1\2\1\3\4{MASK}\4", text)
    text = _HEADER.sub(rf"\1\2\4\5{MASK}", text)
    text = _FORM.sub(rf"\1\2{MASK}", text)
    text = _SCHEME.sub(rf"\1\2{MASK}", text)
    text = _JWT.sub(MASK, text)
    text = _PROVIDER_KEY.sub(MASK, text)
    text = _OWN_KEY.sub(MASK, text)
    return _URL_PASSWORD.sub(rf"\1{MASK}\3", text)


def redact_query(query: str) -> str:
    """A query string whose secret parameters, however they are escaped, show no value."""
    if not query:
        return ""
    parts = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        plain = unquote_plus(name).strip()
        if equals and SECRET_PARAMETER.match(plain):
            parts.append(f"{name}={MASK}")
        else:
            parts.append(f"{name}{equals}{_value(value)}")
    return "&".join(parts)


def _value(value: str) -> str:
    """A parameter's value; one that is a secret by its own look or holds an address with one."""
    plain = unquote_plus(value)
    return value if redact(plain) == plain else MASK


def redact_path(path: str) -> str:
    """A path without the tokens of reset and invite links, and without keys."""
    return _OWN_KEY.sub(MASK, _SECRET_PATH.sub(rf"\1{MASK}", path))


def redact_target(path: str, query: str) -> str:
    """The path and query of a request as the log shows them."""
    query = redact_query(query)
    return f"{redact_path(path)}?{query}" if query else redact_path(path)


class RedactingFilter(logging.Filter):
    """Replaces a record's text by its redacted form before a handler sees it.

    `known` are secrets by value (the keys of this installation), masked wherever they stand.
    """

    def __init__(self, known: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.known = tuple(sorted({value for value in known if len(value) >= 6}, key=len))[::-1]

    def mask_known(self, text: str) -> str:
        for value in self.known:
            text = text.replace(value, MASK)
        return text

    def clean(self, text: str) -> str:
        return redact(self.mask_known(text))

    def filter(self, record: logging.LogRecord) -> logging.LogRecord:
        """A cleaned copy: other handlers of the same record are not touched."""
        record = copy.copy(record)
        request = getattr(record, "request", None)
        if isinstance(request, dict):  # the request log, whose path is redacted already
            record.request = {**request, "path": self.mask_known(str(request.get("path", "")))}
            return record
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit their format
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = self.clean(message), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
            record.exc_info = None
        if record.stack_info:
            record.stack_info = self.clean(record.stack_info)
        return record
