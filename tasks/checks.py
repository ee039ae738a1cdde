"""`manage.py check --deploy` also asks whether any program can run here."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from tasks.sandbox import SandboxUnavailable, get_sandbox


@register("sandbox", deploy=True)
def programs_can_run(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Flies the canaries of the chosen sandbox, unless runner hosts are to run the programs."""
    if settings.RUNNER_REDIS_URL:
        return []
    try:
        get_sandbox()
    except SandboxUnavailable as refusal:
        return [
            Warning(
                f"No candidate's program can run here: {refusal}",
                hint="manage.py sandbox_doctor says what is missing and what to do about it.",
                id="tasks.W001",
            )
        ]
    return []
