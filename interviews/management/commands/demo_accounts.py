"""Demo accounts for a development server; none is ever made with DEBUG off."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from interviews.models import Team, User, identity_key
from interviews.roles import ANALYSTS, RECRUITERS


@transaction.atomic
def make_demo_accounts() -> list[str]:
    """Make what is missing of the four demo accounts and the demo team; the names made."""
    roles: dict[str, dict[str, Any]] = {
        "admin": {"is_staff": True, "is_superuser": True},
        "recruiter": {"is_staff": True, "group": RECRUITERS},
        "analyst": {"is_staff": True, "group": ANALYSTS},
        "candidate": {},
    }
    made = []
    team, _created = Team.objects.get_or_create(name="Demo team")
    for nickname, role in roles.items():
        group = role.pop("group", None)
        user = User.objects.filter(nickname_key=identity_key(nickname)).first()
        if user is None:
            user = User.objects.create_user(
                nickname=nickname, password=settings.DEMO_PASSWORD, **role
            )
            made.append(nickname)
            if group:
                user.groups.add(Group.objects.get(name=group))
            if group == RECRUITERS:
                team.members.add(user)
    return made


class Command(BaseCommand):
    help = "Make the demo accounts admin, recruiter, analyst and candidate (DEBUG=1 only)."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Demo accounts are for development: DEBUG is off.")
        made = make_demo_accounts()
        self.stdout.write(f"demo accounts made: {', '.join(made) or 'none, all are there'}")
