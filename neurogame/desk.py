"""What the admin of every room is made of: classes, filters, and how values are shown.

Nothing here knows a room. A class that shows what belongs to somebody names the way to the users
who may see a row (`seen_by`); superusers see all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import ActionLocation
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Field, Model, Q, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.utils import parse_date_str
from unfold.views import ChangeList

EMPTY = "–"


class DeskChangeList(ChangeList):
    """Without a search or a filter, what was counted is all there is."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class DeskAdmin(ModelAdmin):
    """A changelist that never counts the whole table, and rows only for who may see them."""

    seen_by: str | None = None
    empty_text: Any = _("There is nothing here yet.")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_filter_submit = True
    list_disable_select_all = True
    warn_unsaved_form = True
    empty_value_display = EMPTY

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeskChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if self.seen_by is None or request.user.is_superuser:
            return rows
        return rows.filter(**{self.seen_by: request.user})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """As typed; where a key of logins is searched also folded, as the keys are."""
        rows, several = super().get_search_results(request, queryset, search_term)
        folded = search_term.casefold()
        keys = any("_key" in name for name in self.get_search_fields(request))
        if not keys or folded == search_term:
            return rows, several
        more, _several = super().get_search_results(request, queryset, folded)
        found = Q(pk__in=rows.values("pk")) | Q(pk__in=more.values("pk"))
        return queryset.filter(found), False

    def get_action_choices(
        self,
        request: HttpRequest,
        default_choices: Any = None,
        action_location: ActionLocation = ActionLocation.CHANGE_LIST,
    ) -> Any:
        """Django's, with the blank choice of unfold, whose own knows no locations yet."""
        blank = [("", gettext("Select action"))]
        return admin.ModelAdmin.get_action_choices(self, request, blank, action_location)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], **kwargs: Any) -> Any:
        """An action on ticked rows; ids that cannot be ids tick nothing."""
        try:
            return super().response_action(request, queryset, **kwargs)
        except (ValueError, ValidationError):
            self.message_user(request, _("These rows are not there."), messages.ERROR)
            return redirect(request.get_full_path())

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The object of a page of ours; 404 for one that is not there or not to be seen."""
        obj = self.get_object(request, unquote(str(object_id)))
        if obj is None:
            raise Http404
        return obj

    def page(
        self,
        request: HttpRequest,
        template: str,
        *,
        title: Any,
        obj: Model | None = None,
        status: int = 200,
        **context: Any,
    ) -> TemplateResponse:
        """A page of ours within the admin's frame."""
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        opts = self.opts
        frame = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": opts,
            "original": obj,
            "list_url": self.url("changelist"),
            "back_url": self.url("changelist") if obj is None else self.url("change", obj.pk),
        }
        return TemplateResponse(request, template, frame | context, status=status)

    def ask(
        self,
        request: HttpRequest,
        chosen: list[Any],
        *,
        action: str,
        form: forms.Form,
        title: Any,
        submit_label: Any,
        tone: str = "primary",
    ) -> TemplateResponse:
        """The question before an action on ticked rows: its form comes back to the same action.

        The answer carries `confirmed` beside the fields of `form`.
        """
        rows = [(row.pk, row.pk) for row in chosen]
        hidden = {
            "action": forms.CharField(widget=forms.HiddenInput, initial=action),
            "confirmed": forms.CharField(widget=forms.HiddenInput, initial="1"),
            admin.helpers.ACTION_CHECKBOX_NAME: forms.MultipleChoiceField(
                widget=forms.MultipleHiddenInput, choices=rows, initial=[pk for pk, _pk in rows]
            ),
        }
        form.fields.update(hidden)
        names = ", ".join(str(row) for row in chosen[:10])
        return self.page(
            request,
            "admin/desk/form.html",
            title=title,
            form=form,
            submit_label=submit_label,
            tone=tone,
            question=names + ("…" if len(chosen) > 10 else ""),
            intro=names + ("…" if len(chosen) > 10 else "") if form.visible_fields() else "",
        )

    def url(self, name: str, *args: Any) -> str:
        """The address of a page of this model."""
        opts = self.opts
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=args)


class RecordAdmin(DeskAdmin):
    """A record of what happened: to be read, never added, changed or deleted."""

    list_display_links: Any = None
    warn_unsaved_form = False

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        return self.list_display_links or list(list_display)[:1]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class BigRecordAdmin(RecordAdmin):
    """A table that grows without end: its pages are not counted."""

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Of the table itself; the history of one row is short and counted."""
        uncounted = getattr(queryset, "model", None) is self.model
        return (InfinitePaginator if uncounted else Paginator)(queryset, *args, **kwargs)


# --- Filters ------------------------------------------------------------------------------------


class ExactTextFilter(FieldTextFilter):
    """Exactly this text, so that an index serves it, however large the table."""

    def __init__(
        self,
        field: Field[Any, Any],
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: Any,
        field_path: str,
    ) -> None:
        self.lookup_kwarg = f"{field_path}__exact"
        self.lookup_val = params.get(self.lookup_kwarg)
        admin.FieldListFilter.__init__(self, field, request, params, model, model_admin, field_path)


class DaysFilter(RangeDateFilter):
    """From a day to a day in UTC, both inclusive; what is no date selects nothing out."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, after = days(
            self.used_parameters.get(f"{self.parameter_name}_from"),
            self.used_parameters.get(f"{self.parameter_name}_to"),
        )
        if first is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        if after is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__lt": after})
        return queryset


def days(first: Any, last: Any) -> tuple[datetime | None, datetime | None]:
    """(start of the first day, end of the last day) in UTC; None for what is no date."""
    return _midnight(first), _midnight(last, timedelta(days=1))


def _midnight(value: Any, plus: timedelta = timedelta()) -> datetime | None:
    day = parse_date_str(value) if isinstance(value, str) and value.strip() else None
    try:
        return None if day is None else datetime.combine(day, time(), UTC) + plus
    except OverflowError:
        return None


# --- Showing ------------------------------------------------------------------------------------


def badge(text: Any, tone: str = "") -> SafeString:
    """A word that stands out. `tone`: good, warn, bad, info or none."""
    return format_html('<span class="ng-tag ng-tag--{}">{}</span>', tone or "plain", text)


def labelled(
    description: Any, tones: dict[str, str] | str, *, ordering: str | None = None
) -> Callable[[Callable[..., Any]], Any]:
    """A display whose value is shown as badges, in lists and on pages alike.

    The method answers (key, text), the key choosing the tone; or a list of texts of one tone;
    or None.
    """

    def decorate(method: Callable[..., Any]) -> Any:
        @display(description=description, ordering=ordering)
        @wraps(method)
        def shown(self: Any, row: Any) -> SafeString | str:
            value = method(self, row)
            if not value:
                return EMPTY
            if isinstance(value, tuple):
                key, text = value
                return badge(text, tones.get(key, "") if isinstance(tones, dict) else tones)
            tone = tones if isinstance(tones, str) else ""
            return format_html_join(" ", "{}", ((badge(text, tone),) for text in value))

        return shown

    return decorate


def block(text: Any) -> SafeString | str:
    """A text as it is, in a monospaced block; long ones scroll."""
    return format_html('<pre class="ng-code">{}</pre>', text) if text else EMPTY


def pretty(value: Any) -> SafeString | str:
    """JSON, or a text that should be JSON, indented; a text that is none as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return block(value)
    if value in (None, {}, []):
        return EMPTY
    return block(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False))


def link_to(obj: Model | None, text: Any = None) -> SafeString | str:
    """A link to the page of an object."""
    if obj is None:
        return EMPTY
    opts = obj._meta
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[obj.pk])
    return format_html('<a class="ng-link" href="{}">{}</a>', url, text or str(obj))


def shortened(text: str, length: int = 80) -> str:
    """The first line of a text, cut."""
    line = " ".join(text[: length * 2].split())
    return line if len(line) <= length and len(text) <= length * 2 else line[:length] + "…"
