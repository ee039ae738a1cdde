from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = _("Tasks")

    def ready(self) -> None:
        from neurogame import health, lifecycle
        from tasks import checks  # noqa: F401

        health.register("sandbox", sandbox, reason=refusal)
        lifecycle.on_start(warm_up)


def sandbox() -> str:
    """Where programs run, or `unavailable`."""
    from tasks.runners import get_runner

    return get_runner().status()


def refusal() -> str:
    """Why no program can run in this process, where programs run in this process."""
    from django.conf import settings

    from tasks.sandbox import sandbox_refusal

    return "" if settings.RUNNER_REDIS_URL else sandbox_refusal()


def warm_up() -> None:
    """Make the sandbox ready before the first candidate needs it."""
    from django.conf import settings

    from tasks.sandbox import get_sandbox

    if not settings.RUNNER_REDIS_URL:
        get_sandbox()
