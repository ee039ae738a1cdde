"""The data dictionary: what every column of every export means, from the code that writes it.

Apps describe their tables with `register`; `/dictionary/` shows them, the API's schema uses the
same texts. Texts are English and are translated where they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

FIRST = "0.1.0"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `types` is its type by format; a format without it has no such column."""

    name: str
    meaning: str
    types: Mapping[str, str]
    example: str
    unit: str = ""
    nullable: bool = False
    since: str = FIRST


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of export: where it is had, its formats in order, its columns in order."""

    slug: str
    title: str
    about: str
    where: str
    formats: Mapping[str, str] = field(default_factory=dict)  # name: how people call it
    columns: tuple[Column, ...] = ()

    def of(self, form: str) -> list[Column]:
        """The columns of one format."""
        return [column for column in self.columns if form in column.types]


_tables: dict[str, Table] = {}


def register(table: Table) -> Table:
    """Show a table in the dictionary."""
    _tables[table.slug] = table
    return table


def tables() -> list[Table]:
    return list(_tables.values())


def markdown(table: Table, form: str) -> str:
    """The columns of one format as a Markdown table, in English, for the API's schema."""
    rows = [
        f"| `{column.name}` | {column.types[form]} | {'yes' if column.nullable else 'no'}"
        f" | {column.meaning}{f' Unit: {column.unit}.' if column.unit else ''} |"
        for column in table.of(form)
    ]
    return "\n".join(["| column | type | may be empty | meaning |", "|---|---|---|---|", *rows])


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """`/dictionary/`: every column of every export."""
    shown = [
        {
            "slug": table.slug,
            "title": _(table.title),
            "about": _marked(_(table.about)),
            "where": table.where,
            "formats": table.formats,
            "columns": [_shown(column, table) for column in table.columns],
        }
        for table in tables()
    ]
    return render(request, "neurogame/dictionary.html", {"tables": shown})


def _marked(text: str) -> SafeString:
    """A text whose `names` are set as code."""
    parts = [
        format_html("<code>{}</code>" if number % 2 else "{}", part)
        for number, part in enumerate(text.split("`"))
    ]
    return format_html_join("", "{}", ((part,) for part in parts))


def _shown(column: Column, table: Table) -> dict[str, Any]:
    return {
        "name": column.name,
        "meaning": _marked(_(column.meaning)),
        "unit": column.unit and _(column.unit),
        "example": column.example,
        "nullable": column.nullable,
        "since": column.since,
        "types": [column.types.get(form, "") for form in table.formats],
    }
