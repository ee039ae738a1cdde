from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = _("Tasks")

    def ready(self) -> None:
        from neurogame import health
        from tasks.sandbox import sandbox_status

        health.register("sandbox", sandbox_status)
