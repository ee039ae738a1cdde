"""`manage.py runner`: serve the judge's queue on a runner host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from redis import RedisError

from tasks.judge_host import serve
from tasks.sandbox import get_sandbox
from tasks.sandbox.base import SandboxError

RESTART_PAUSE = 2.0


class Command(BaseCommand):
    help = (
        "Run submitted programs for the web processes: takes jobs from the judge's queue on "
        "RUNNER_REDIS_URL and evaluates them in the sandbox of this host. Needs no database and "
        "no key of the LLM."
    )
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--slots",
            type=int,
            default=settings.JUDGE_SLOTS,
            help="Programs that run at one time, each in a process of its own (%(default)s).",
        )

    def handle(self, *args: Any, slots: int, **options: Any) -> None:
        url = settings.RUNNER_REDIS_URL
        if not url:
            raise CommandError(_("Set RUNNER_REDIS_URL to the Redis that holds the judge's queue."))
        if slots < 1:
            raise CommandError(_("--slots must be at least 1."))
        try:
            name = get_sandbox().name
        except SandboxError as error:
            raise CommandError(
                _("The sandbox does not work here, so nothing would run: %(error)s")
                % {"error": error}
                + "\n"
                + _("manage.py sandbox_doctor says what is missing.")
            )
        self.stdout.write(
            _("Serving the judge's queue: %(sandbox)s, slots: %(slots)d.")
            % {"sandbox": name, "slots": slots}
        )
        self.stdout.flush()
        if slots > 1:
            sys.exit(supervise(slots))
        try:
            serve(url)
        except RedisError as error:
            raise CommandError(_("Redis cannot be reached: %(error)s") % {"error": error})


def supervise(slots: int) -> int:
    """Keep `slots` processes with one slot each alive until SIGTERM or SIGINT; the exit status."""
    command = [sys.executable, sys.argv[0], "runner", "--slots", "1"]
    stopping = False

    def stop(signum: int, frame: Any) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    children = [subprocess.Popen(command, start_new_session=True) for _slot in range(slots)]
    while not stopping:
        time.sleep(RESTART_PAUSE / 10)
        for index, child in enumerate(children):
            if child.poll() is not None and not stopping:
                time.sleep(RESTART_PAUSE)
                children[index] = subprocess.Popen(command, start_new_session=True)
    for child in children:
        os.kill(child.pid, signal.SIGTERM) if child.poll() is None else None
    for child in children:
        child.wait()
    return 0
