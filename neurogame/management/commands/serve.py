"""`manage.py serve`: the web process."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from neurogame import lifecycle
from neurogame.supervised import follow_parent


class Command(BaseCommand):
    help = "Serve pages, API, admin and streams until Ctrl-C or SIGTERM."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
        parser.add_argument(
            "--port", type=int, default=settings.PORT, help="port, 0 a free one (default: PORT)"
        )
        parser.add_argument(
            "--grace",
            type=float,
            default=4.0,
            help="seconds that requests get to finish after SIGTERM (default: %(default)s)",
        )
        parser.add_argument(
            "--supervised", action="store_true", help="end when the parent process ends"
        )

    def handle(self, **options: Any) -> None:
        try:
            from neurogame.asgi import application
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        from neurogame.server import ListenError, serve

        if options["supervised"]:
            follow_parent()
        try:
            serve(
                application,
                host=options["host"],
                port=options["port"],
                body_limits=settings.BODY_LIMITS,
                grace_s=options["grace"],
                ready=self.announce,
            )
        except ListenError as error:
            raise CommandError(f"{error}. Choose another port: PORT=8001 make run") from error
        finally:
            lifecycle.stop()

    def announce(self, host: str, port: int) -> None:
        """Say where everything is, now that it answers."""
        lifecycle.start()
        local = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        base = settings.PUBLIC_URL if port == settings.PORT else local
        lines = [
            f"Neurogame is serving on {local}",
            f"  start page      {base}/",
            f"  candidate page  {base}/interview/",
            f"  leaderboard     {base}/leaderboard/",
            f"  admin           {base}/admin/",
        ]
        if settings.DEBUG:
            lines.append(
                "  demo logins     admin, recruiter, analyst, candidate;"
                f" password: {settings.DEMO_PASSWORD}"
            )
        self.stdout.write("\n".join(lines))
        self.stdout.flush()
