"""System checks: unsafe production settings, said with their remedy."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured


@register(Tags.security)
def unsafe_production(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """With DEBUG off: no default API key, no default or short secret key."""
    if settings.DEBUG:
        return []
    messages: list[CheckMessage] = []
    if settings.NEUROGAME_API_KEY == settings.DEFAULT_API_KEY:
        messages.append(
            Error(
                "NEUROGAME_API_KEY is the development key.",
                hint="Set NEUROGAME_API_KEY to a secret of your own: openssl rand -hex 32",
                id="neurogame.E001",
            )
        )
    if settings.SECRET_KEY == settings.DEFAULT_SECRET_KEY or len(settings.SECRET_KEY) < 32:
        messages.append(
            Error(
                "SECRET_KEY is the development key or shorter than 32 characters.",
                hint="Set SECRET_KEY to a secret of your own: openssl rand -hex 32",
                id="neurogame.E002",
            )
        )
    return messages


@register()
def reachable_over_https(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """TLS ends at a proxy; one that is not believed is sent back to https for ever."""
    if not settings.PUBLIC_URL.startswith("https://") or settings.TRUSTED_PROXIES:
        return []
    return [
        Warning(
            "PUBLIC_URL is https, but no proxy is trusted: every request is sent back to https.",
            hint="Set TRUSTED_PROXIES to the number of your proxies that set X-Forwarded-Proto.",
            id="neurogame.W001",
        )
    ]


@register()
def known_choices(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    if settings.SANDBOX in ("auto", "bubblewrap", "docker"):
        return []
    return [
        Error(
            f"SANDBOX is {settings.SANDBOX!r}.",
            hint="Use auto, bubblewrap or docker.",
            id="neurogame.E003",
        )
    ]


@register()
def judging_bounds(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """A queue that takes nothing judges nothing, and a lease of no length is lost at once."""
    least = {"JUDGE_SLOTS": 1, "JUDGE_QUEUE_MAX": 1, "JUDGE_LEASE_S": 1}
    return [
        Error(
            f"{name} is {getattr(settings, name):g}.",
            hint=f"Set {name} to {low} or more.",
            id="neurogame.E004",
        )
        for name, low in least.items()
        if getattr(settings, name) < low
    ]


def demo_accounts_left() -> list[str]:
    """Logins of accounts that still have the demo password; needs the database.

    The four demo names and the oldest superusers are looked at: to try a password takes half a
    second, and `NotTheDemoPassword` keeps everybody else from choosing it.
    """
    from django.contrib.auth import get_user_model
    from django.db import DatabaseError

    people = get_user_model().objects.filter(is_active=True)
    names = ("admin", "recruiter", "analyst", "candidate")
    try:
        users = list(people.filter(nickname_key__in=names))
        powerful = people.filter(is_superuser=True).exclude(pk__in=[user.pk for user in users])
        users += powerful.order_by("date_joined")[:5]
    except DatabaseError:  # not migrated yet: there are no accounts either
        return []
    return [str(user) for user in users if user.check_password(settings.DEMO_PASSWORD)]


def refuse_unsafe_production() -> None:
    """Raise ImproperlyConfigured when a server must not start like this (`asgi.py` calls it)."""
    if settings.DEBUG:
        return
    faults = [f"{message.msg} {message.hint}" for message in unsafe_production()]
    left = demo_accounts_left()
    if left:
        faults.append(
            f"These accounts still have the demo password: {', '.join(left)}. "
            "Change it (manage.py changepassword NAME) or delete them."
        )
    if faults:
        raise ImproperlyConfigured("Neurogame does not start: " + " ".join(faults))
