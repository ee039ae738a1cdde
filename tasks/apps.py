from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = _("Tasks")

    def ready(self) -> None:
        from neurogame import health, lifecycle
        from tasks.sandbox import sandbox_status

        health.register("sandbox", sandbox_status)
        lifecycle.on_start(warm_up)


def warm_up() -> None:
    """Make the sandbox ready before the first candidate needs it."""
    from django.conf import settings

    from tasks.sandbox import get_sandbox

    if not settings.RUNNER_REDIS_URL:
        get_sandbox()
