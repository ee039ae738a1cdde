"""How bodies are read: strict JSON, whatever the client accepts."""

from __future__ import annotations

import codecs
import json
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser

MAX_DEPTH = 64


class AlwaysJSON(BaseContentNegotiation):
    """Every answer of the API is JSON; an odd `Accept` header is no reason to refuse one."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        for parser in parsers:
            if media_type in ("", parser.media_type):
                return parser
        return None

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def depth_of(value: Any, limit: int = MAX_DEPTH) -> int:
    """Nesting depth of a decoded JSON value, counted no further than `limit` + 1."""
    depth, level = 0, [value]
    while level and depth <= limit:
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        depth += 1
    return depth


def decode_json(data: bytes) -> Any:
    """`data` as JSON: UTF-8, no NaN or Infinity, at most `MAX_DEPTH` levels; else ValueError."""
    try:
        text = codecs.decode(data, "utf-8-sig")
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if depth_of(value) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    return value


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        request = (parser_context or {}).get("request")
        encoding = request.headers.get("Content-Encoding", "") if request is not None else ""
        if encoding.strip().lower() not in ("", "identity"):
            raise UnsupportedMediaType(
                encoding, _("The media type or the content encoding is not supported.")
            )
        data = stream.read()
        if not data:
            return {}
        try:
            return decode_json(data)
        except ValueError as error:
            raise ParseError(_("The body is not JSON: %(reason)s") % {"reason": error}, "bad_json")
