"""Who looked at, exported or decided what: entries of Django's own log, read in the admin.

An entry that hangs on an object stands in that object's history too.
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

LOOK_AGAIN = timedelta(hours=1)


def note(request: HttpRequest, about: Model | type[Model], message: str) -> None:
    """Write down that the signed-in user did something with an object, or with a whole table."""
    one = about if isinstance(about, Model) else None
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type=ContentType.objects.get_for_model(about),
        object_id=None if one is None else str(one.pk),
        object_repr=str(about._meta.verbose_name_plural if one is None else one)[:200],
        action_flag=CHANGE,
        change_message=message,
    )


def looked(request: HttpRequest, about: Model, message: str) -> None:
    """`note`, at most once an hour for the same user, object and message."""
    recent = LogEntry.objects.filter(
        user_id=str(request.user.pk),
        content_type=ContentType.objects.get_for_model(about),
        object_id=str(about.pk),
        change_message=message,
        action_time__gt=timezone.now() - LOOK_AGAIN,
    )
    if not recent.exists():
        note(request, about, message)
