from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InterviewsConfig(AppConfig):
    name = "interviews"
    verbose_name = _("Interviews")

    def ready(self) -> None:
        from django.conf import settings

        from neurogame import health

        health.register("bus", lambda: "redis" if settings.REDIS_URL else "memory")
        health.register("llm", lambda: "configured" if settings.OPENAI_API_KEY else "scripted")
