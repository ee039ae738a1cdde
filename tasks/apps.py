from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = _("Tasks")

    def ready(self) -> None:
        from neurogame import health, lifecycle

        health.register("sandbox", sandbox)
        lifecycle.on_start(warm_up)


def sandbox() -> str:
    """Where programs run, or `unavailable`."""
    from tasks.runners import get_runner

    return get_runner().status()


def warm_up() -> None:
    """Make the sandbox ready before the first candidate needs it."""
    from django.conf import settings

    from tasks.sandbox import get_sandbox

    if not settings.RUNNER_REDIS_URL:
        get_sandbox()
