"""The language of a request that Django has not seen, or does not see any more.

Nothing here needs Django's settings to be imported: they themselves import the request log.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.utils import translation


def gettext_noop(text: str) -> str:
    """Marks a text for the message catalogue, as Django's does, without needing settings."""
    return text


def said(text: str, headers: Mapping[bytes, bytes]) -> str:
    """`text` of the catalogue in the language that `LocaleMiddleware` would choose.

    `headers` holds the request's headers as they came, their names in lower case. A server of
    another application than Django's has no catalogue: the text stays as it is.
    """
    if not settings.configured:
        return text
    from django.http import parse_cookie

    asked: Any = SimpleNamespace(
        META={"HTTP_ACCEPT_LANGUAGE": headers.get(b"accept-language", b"").decode("latin-1")},
        COOKIES=parse_cookie(headers.get(b"cookie", b"").decode("latin-1")),
    )
    with translation.override(translation.get_language_from_request(asked)):
        return translation.gettext(text)
