"""Markdown of statements as safe HTML."""

from __future__ import annotations

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@lru_cache(maxsize=512)
def to_html(text: str) -> str:
    """CommonMark with tables as sanitised HTML; raw HTML in the text is shown as text."""
    return nh3.clean(_markdown.render(text))
