"""File formats of the admin's exports: CSV, XLSX and JSON, safe to open in a spreadsheet."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import Action, ActionLocation
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from import_export.admin import ExportActionMixin
from import_export.formats.base_formats import CSV, JSON, XLSX
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from unfold.contrib.import_export.forms import SelectableFieldsExportForm

from neurogame import audit

MAX_ROWS = 20_000  # these exports are made whole in memory
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def harmless(cell: Any) -> Any:
    """A cell that a spreadsheet will not read as a formula: such a text gets a leading `'`.

    A plain number keeps its sign.
    """
    if isinstance(cell, str) and cell.startswith(_DANGEROUS) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


class _Harmless:
    """The package's own escaping drops a leading `=` and leaves `+ - @`: data gets lost."""

    def _escape_formulae(self, dataset: Any) -> None:
        rewrite(dataset, harmless)


class SafeCSV(_Harmless, CSV):
    pass


class SafeXLSX(_Harmless, XLSX):
    """What XLSX cannot hold becomes a replacement character; long texts end at 32,767."""

    def _escape_formulae(self, dataset: Any) -> None:
        rewrite(dataset, lambda cell: harmless(_allowed(cell)))


class PlainJSON(JSON):
    """Unaltered: JSON is read by programs."""

    def _escape_formulae(self, dataset: Any) -> None:
        pass


FORMATS = [SafeCSV, SafeXLSX, PlainJSON]


class ExportAdmin(ExportActionMixin):
    """Export of a changelist, with its filters, or of the rows that are ticked."""

    formats = FORMATS
    export_form_class = SelectableFieldsExportForm
    show_change_form_export = False

    def get_actions(
        self, request: HttpRequest, action_location: ActionLocation = ActionLocation.CHANGE_LIST
    ) -> dict[str, Any]:
        actions = super(ExportActionMixin, self).get_actions(request, action_location)
        if action_location == ActionLocation.CHANGE_LIST and self.has_export_permission(request):
            name = "export_admin_action"
            words = _("Export selected %(verbose_name_plural)s")
            export = type(self).export_admin_action
            actions[name] = Action(export, name, words, words, [action_location])
        return actions

    def get_valid_export_item_pks(self, request: HttpRequest) -> Any:
        return self.get_queryset(request).values_list("pk", flat=True)

    def get_export_data(
        self, file_format: Any, request: HttpRequest, queryset: Any, **kwargs: Any
    ) -> Any:
        """Numbers and dates stay what they are wherever the format knows them."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        native = not isinstance(file_format, CSV)
        data = self.get_data_for_export(request, queryset, force_native_type=native, **kwargs)
        return file_format.export_data(data)

    def _do_file_export(
        self, file_format: Any, request: HttpRequest, queryset: Any, export_form: Any = None
    ) -> HttpResponse:
        """The file; of more than `MAX_ROWS` rows the list again, with a word on what to do."""
        if queryset.order_by()[: MAX_ROWS + 1].count() > MAX_ROWS:
            text = _("More than %d rows: narrow the list by its filters first.") % MAX_ROWS
            self.message_user(request, text, messages.ERROR)
            return redirect(f"{self.url('changelist')}?{request.GET.urlencode()}")
        answer = super()._do_file_export(file_format, request, queryset, export_form=export_form)
        audit.note(
            request,
            self.model,
            f"Exported {queryset.count()} rows as {file_format.get_extension()}.",
        )
        return answer


def _allowed(cell: Any) -> Any:
    return ILLEGAL_CHARACTERS_RE.sub("\ufffd", cell) if isinstance(cell, str) else cell


def rewrite(dataset: Any, change: Any) -> None:
    """Apply `change` to every cell of a tablib data set, in place."""
    headers, rows = dataset.headers, [tuple(map(change, row)) for row in dataset]
    dataset.wipe()
    dataset.headers = headers
    dataset.extend(rows)
