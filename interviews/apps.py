from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InterviewsConfig(AppConfig):
    name = "interviews"
    verbose_name = _("Interviews")

    def ready(self) -> None:
        from interviews import answering
        from interviews import chat as _connects_receivers  # noqa: F401
        from interviews import integrity as _watches_signals  # noqa: F401
        from neurogame import health, lifecycle

        lifecycle.on_start(answering.ensure_started)
        lifecycle.on_stop(answering.stop)

        health.register("bus", bus)
        health.register("llm", interviewer)


def bus() -> str:
    """What carries messages between processes; raises when Redis is set but does not answer."""
    from django.conf import settings
    from django.core.cache import cache

    if not settings.REDIS_URL:
        return "memory"
    cache.get("health")
    return "redis"


def interviewer() -> str:
    """Who answers: a model, which is never called for this, or the script."""
    from django.conf import settings

    return "configured" if settings.OPENAI_API_KEY else "scripted"
