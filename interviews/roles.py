"""Groups and exactly what each may do in the admin; migrations give them these permissions."""

from __future__ import annotations

from typing import Any

RECRUITERS, ANALYSTS = "Recruiters", "Analysts"

# (app, model): actions
PERMISSIONS: dict[str, dict[tuple[str, str], tuple[str, ...]]] = {
    RECRUITERS: {
        ("interviews", "invite"): ("view", "add", "change"),
        ("interviews", "interviewsession"): ("view", "change"),
        ("interviews", "message"): ("view",),
        ("interviews", "consent"): ("view",),
        ("interviews", "team"): ("view",),
        ("tasks", "assignment"): ("view",),
        ("tasks", "assignmentmove"): ("view",),
        ("tasks", "attempt"): ("view",),
        ("tasks", "coderun"): ("view",),
        ("tasks", "draft"): ("view",),
        ("tasks", "codingtask"): ("view",),
        ("telemetry", "anticheatsignal"): ("view",),
    },
    ANALYSTS: {
        ("telemetry", "gameevent"): ("view",),
        ("telemetry", "quarantinedevent"): ("view", "change"),  # submit it again
        ("telemetry", "eventconflict"): ("view",),
        ("telemetry", "modelversion"): ("view", "change"),
        ("leaderboard", "standing"): ("view",),
        ("leaderboard", "playerhold"): ("view", "add", "change"),
    },
}


def grant(group_model: Any, permission_model: Any, content_type_model: Any) -> None:
    """Give each group exactly its permissions; creates what is missing. Takes model classes.

    Permission rows are normally made after all migrations, so a migration makes them here.
    """
    for name, wanted in PERMISSIONS.items():
        group, _created = group_model.objects.get_or_create(name=name)
        permissions = []
        for (app, model), actions in wanted.items():
            content_type, _created = content_type_model.objects.get_or_create(
                app_label=app, model=model
            )
            for action in actions:
                permission, _created = permission_model.objects.get_or_create(
                    content_type=content_type,
                    codename=f"{action}_{model}",
                    defaults={"name": f"Can {action} {model}"},
                )
                permissions.append(permission)
        group.permissions.set(permissions)
