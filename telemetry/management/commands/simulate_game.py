"""Play a seeded population through the real game client against a running server."""

from __future__ import annotations

import json
import os
import tempfile
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from tqdm import tqdm

from telemetry.client import DEFAULT_API_KEY, DEFAULT_URL
from telemetry.simulation import Config, simulate


class Command(BaseCommand):
    help = (
        "Plays a realistic, seeded population (ability, speed, fatigue, lapses, bots, repeats) "
        "through the game client over HTTP. The same seed and end give the same events, so a second "
        "run only sends duplicates."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--players", type=int, default=500)
        parser.add_argument("--trials", type=int, default=200, help=_("Trials of each player."))
        parser.add_argument(
            "--url", default=os.environ.get("NEUROGAME_TELEMETRY_URL") or DEFAULT_URL
        )
        parser.add_argument(
            "--api-key", default=os.environ.get("NEUROGAME_TELEMETRY_API_KEY") or DEFAULT_API_KEY
        )
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--days", type=int, default=7, help=_("Days over which play is spread.")
        )
        parser.add_argument(
            "--end",
            help=_("When play is over, as ISO 8601 in UTC; by default this hour's beginning."),
        )
        parser.add_argument("--processes", type=int, default=1)
        parser.add_argument(
            "--timeout",
            type=float,
            default=30.0,
            help=_("Seconds that each client waits at its end."),
        )
        parser.add_argument(
            "--truth", type=Path, help=_("Write what was planted to this JSON file.")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            config = Config(
                players=options["players"],
                trials=options["trials"],
                seed=options["seed"],
                days=options["days"],
                end=self._end(options["end"]),
            )
        except ValueError as error:
            raise CommandError(
                _("These parameters cannot be played: %(error)s.") % {"error": error}
            )
        began = time.monotonic()
        with (
            tempfile.TemporaryDirectory(prefix="neurogame-simulation-") as spool,
            tqdm(
                total=config.players * config.trials,
                unit=_("event"),
                desc=_("playing"),
                disable=options["verbosity"] == 0 or None,
            ) as bar,
        ):
            delivery = simulate(
                config=config,
                url=options["url"],
                api_key=options["api_key"],
                spool=Path(spool),
                processes=max(1, options["processes"]),
                timeout=options["timeout"],
                progress=bar.update,
            )
        if options["truth"]:
            options["truth"].write_text(json.dumps(delivery.truth, indent=1, sort_keys=True) + "\n")
        totals, counts = delivery.truth["totals"], delivery.counts
        summary = _(
            "%(players)d players, %(tasks)d trials (%(correct)d correct, %(timeouts)d timeouts), "
            "%(sent)d events sent with %(repeats)d repeats: %(delivered)d delivered, of these "
            "%(duplicate)d duplicates and %(quarantined)d quarantined, in %(seconds).1f s"
        ) % {**totals, **counts, "seconds": time.monotonic() - began}
        if not delivery.complete:
            raise CommandError(
                _("Not everything was delivered. %(summary)s. Last error: %(error)s.")
                % {"summary": summary, "error": delivery.last_error or _("none")}
            )
        self.stdout.write(self.style.SUCCESS(summary + "."))

    def _end(self, text: str | None) -> datetime:
        if text is None:
            return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
