"""Delete raw events past their time, or one player's data; a dry run unless told otherwise."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from tqdm import tqdm

from telemetry import retention
from telemetry.retention import RetentionError, Scope


class Command(BaseCommand):
    help = (
        "Deletes raw events that were received before a day, or everything of one player. Without "
        "--yes it only counts. Ids stay taken, standings stay (a player's go), and what was "
        "deleted is written down in the admin. May be interrupted: the same command goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--before", help=_("A day in UTC, YYYY-MM-DD; it is kept itself."))
        what.add_argument("--older-than", help=_("An age in days, such as 365d."))
        what.add_argument(
            "--user-id", help=_("A player: events, quarantine, conflicts, standings, holds.")
        )
        parser.add_argument("--event-type", default="", help=_("Only events of this type."))
        parser.add_argument("--yes", action="store_true", help=_("Delete. Without it: count."))
        parser.add_argument("--batch", type=int, default=retention.BATCH)
        parser.add_argument(
            "--pause",
            type=float,
            default=retention.PAUSE_S,
            help=_("Seconds between batches, at least; ingest runs meanwhile."),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1 or options["pause"] < 0:
            raise CommandError(_("--batch begins at 1, --pause at 0."))
        try:
            scope = Scope(
                before=before_of(options["before"], options["older_than"]),
                event_type=options["event_type"],
                user_id=options["user_id"] or "",
            )
        except RetentionError as error:
            raise CommandError(str(error))
        found = retention.survey(scope)
        self.show(found)
        if not options["yes"]:
            self.stdout.write(_("Nothing was deleted; --yes deletes."))
            return
        with tqdm(
            total=found.events,
            unit=_("event"),
            desc=_("deleting"),
            disable=options["verbosity"] == 0 or None,
        ) as bar:
            record = retention.prune(
                scope, batch=options["batch"], pause_s=options["pause"], progress=bar.update
            )
        self.stdout.write(
            self.style.SUCCESS(
                _(
                    "Deleted %(events)d events, %(conflicts)d conflicts, %(quarantined)d "
                    "quarantined."
                )
                % {
                    "events": record.events,
                    "conflicts": record.conflicts,
                    "quarantined": record.quarantined,
                }
            )
        )
        if scope.user_id:
            self.stdout.write(
                _("Not reached from here: exports, training snapshots and backups made before.")
            )

    def show(self, found: retention.Survey) -> None:
        for (month, event_type), count in found.months.items():
            self.stdout.write(f"{month:%Y-%m}  {event_type:<32} {count:>14,}")
        self.stdout.write(
            _(
                "To delete: %(events)d events, %(quarantined)d quarantined (%(waiting)d still wait "
                "for a person). To stay: %(stay)d events."
            )
            % {
                "events": found.events,
                "quarantined": found.quarantined,
                "waiting": found.waiting,
                "stay": found.stay,
            }
        )


def before_of(day: str | None, age: str | None) -> datetime | None:
    """The start of a day in UTC, given as a day or as an age; None where neither is."""
    if age is not None:
        match = re.fullmatch(r"([1-9][0-9]{0,5})d?", age)
        if match is None:
            raise CommandError(_("--older-than is a number of days, such as 365d."))
        moment = timezone.now().astimezone(UTC) - timedelta(days=int(match[1]))
        return moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if day is None:
        return None
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise CommandError(_("--before is a day, such as 2026-01-31."))
