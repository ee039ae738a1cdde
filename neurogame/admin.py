"""What belongs to no room: background jobs and the log of who did what. For superusers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django_tasks_db import admin as _jobs_admin  # noqa: F401 - registers what is replaced here
from django_tasks_db.models import DBTaskResult
from rest_framework_simplejwt.token_blacklist import admin as _tokens_admin  # noqa: F401
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.decorators import display

from neurogame import dashboard
from neurogame.dashboard import Card, Section
from neurogame.desk import BigRecordAdmin, DaysFilter, block, labelled, pretty

# Refresh tokens are secrets: whoever reads one is that user until it expires.
admin.site.unregister([OutstandingToken, BlacklistedToken, DBTaskResult])

JOB_TONES = {"FAILED": "bad", "RUNNING": "info", "READY": "warn", "SUCCESSFUL": "good"}


@admin.register(DBTaskResult)
class JobAdmin(BigRecordAdmin):
    """Jobs of the background worker. A failed one keeps its traceback."""

    list_display = ("job", "shown_status", "queue_name", "enqueued_at", "started_at", "finished_at")
    list_filter = ("status", "queue_name", ("enqueued_at", DaysFilter))
    search_fields = ("task_path", "exception_class_path")
    search_help_text = _("Name of a job, or of an exception.")
    ordering = ("-enqueued_at",)
    empty_text = _("No job has been queued yet. The worker that `make run` starts queues them.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A job that stays running for long lost its worker; periodic jobs are "
                    "queued again by themselves."
                ),
                "fields": ("task_path", "shown_status", "queue_name", "worker_ids"),
            },
        ),
        (_("When"), {"fields": ("enqueued_at", "started_at", "finished_at")}),
        (
            _("Input and outcome"),
            {"fields": ("arguments", "answer", "exception_class_path", "shown_traceback")},
        ),
    )
    readonly_fields = ("shown_status", "arguments", "answer", "shown_traceback")

    @display(description=_("job"), ordering="task_path")
    def job(self, row: DBTaskResult) -> str:
        return row.task_path

    @labelled(_("status"), JOB_TONES, ordering="status")
    def shown_status(self, row: DBTaskResult) -> Any:
        return row.status, row.get_status_display()

    @display(description=_("arguments"))
    def arguments(self, row: DBTaskResult) -> SafeString | str:
        return pretty(row.args_kwargs)

    @display(description=_("answer"))
    def answer(self, row: DBTaskResult) -> SafeString | str:
        return pretty(row.return_value)

    @display(description=_("traceback"))
    def shown_traceback(self, row: DBTaskResult) -> SafeString | str:
        return block(row.traceback)


@admin.register(LogEntry)
class LogEntryAdmin(BigRecordAdmin):
    """Who looked at, exported, changed or decided what."""

    list_display = ("action_time", "user", "content_type", "object_repr", "message")
    list_filter = (("action_time", DaysFilter), "action_flag")
    list_select_related = ("user", "content_type")
    search_fields = ("user__nickname_key", "object_repr", "change_message")
    search_help_text = _("Nickname, object, or what was done.")
    ordering = ("-action_time",)
    fields = ("action_time", "user", "content_type", "object_repr", "message")
    readonly_fields = ("message",)

    @display(description=_("what"))
    def message(self, row: LogEntry) -> str:
        return row.get_change_message() or str(row.get_action_flag_display())


def _operation(request: HttpRequest) -> list[Section]:
    if not request.user.has_perm("django_tasks_database.view_dbtaskresult"):
        return []
    rows: QuerySet[DBTaskResult] = DBTaskResult.objects.all()
    day = timezone.now() - timedelta(days=1)
    counts = rows.aggregate(
        failed=Count("pk", filter=Q(status="FAILED", finished_at__gte=day)),
        waiting=Count("pk", filter=Q(status="READY")),
    )
    url = reverse("admin:django_tasks_database_dbtaskresult_changelist")
    return [
        Section(
            title=_now("Operation"),
            order=90,
            cards=[
                Card(
                    _now("Failed jobs, last 24 hours"),
                    counts["failed"],
                    _now("Open one to read its traceback."),
                    f"{url}?status__exact=FAILED",
                    "bad" if counts["failed"] else "good",
                ),
                Card(
                    _now("Waiting jobs"),
                    counts["waiting"],
                    _now("Many of them mean that no worker runs."),
                    f"{url}?status__exact=READY",
                    "warn" if counts["waiting"] > 50 else "calm",
                ),
            ],
        )
    ]


dashboard.register("operation", _operation)
