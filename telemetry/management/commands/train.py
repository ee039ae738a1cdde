"""Train, evaluate and register a model on a snapshot of the game's events."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.translation import gettext as _
from tqdm import tqdm

from telemetry.training import card
from telemetry.training.config import RunConfig, TrainingError, load
from telemetry.training.registry import RegistryError
from telemetry.training.run import STEPS, Run, train
from telemetry.training.sources import SnapshotError, source_of
from telemetry.training.workspace import Locked


class Command(BaseCommand):
    help = (
        "Takes a snapshot of the events, fits the item mean, Elo and a logistic regression, "
        "evaluates them on players and a time that were not trained on, asks the gate, writes "
        "artefacts and registers the model version. A run that was interrupted is continued by the "
        "same command. Parameters come from defaults, then --config (or the file named by "
        "RUN_CONFIG), then arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_argument_group(_("where the events come from (default: this database)"))
        source.add_argument(
            "--snapshot",
            type=Path,
            help=_("A file of events: NDJSON, CSV or Parquet, an export or an earlier snapshot."),
        )
        source.add_argument("--url", help=_("Another server; its export endpoint is read."))
        source.add_argument("--api-key", default=os.environ.get("NEUROGAME_API_KEY", ""))
        source.add_argument("--as-of", type=int, help=_("The last seq to include."))
        run = parser.add_argument_group(_("the run"))
        run.add_argument("--config", type=Path, help=_("TOML file of parameters."))
        run.add_argument(
            "--model",
            help=_("Which model to register: item_mean, elo, logistic, or auto: the best one."),
        )
        run.add_argument("--seed", type=int)
        run.add_argument("--test-share", type=float)
        run.add_argument("--forward-share", type=float)
        run.add_argument("--elo-user-gain", type=float, nargs=2, metavar=("A", "B"))
        run.add_argument("--elo-item-gain", type=float, nargs=2, metavar=("A", "B"))
        run.add_argument("--item-mean-strength", type=float)
        run.add_argument("--logistic-c", type=float, nargs="+", metavar="C")
        run.add_argument("--ece-bins", type=int)
        run.add_argument("--bootstrap", type=int)
        run.add_argument("--min-users", type=int)
        run.add_argument("--min-trials", type=int)
        run.add_argument("--name", help=_("Name of the version; default: by content."))
        run.add_argument(
            "--out", type=Path, help=_("Where artefacts go; default: models/ beside the database.")
        )
        run.add_argument(
            "--fresh", action="store_true", help=_("Begin anew instead of continuing.")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = options["verbosity"] == 0 or None
        out = options["out"] or Path(settings.DATA_DIR) / "models"
        environment = os.environ.get("RUN_CONFIG")
        config_path = options["config"] or (Path(environment) if environment else None)
        names = [field.name for field in fields(RunConfig)]
        names += ["snapshot", "url", "as_of", "name"]
        try:
            plan = load(config_path, **{name: options[name] for name in names})
            source = source_of(
                snapshot=plan.snapshot,
                url=plan.url,
                api_key=options["api_key"],
                as_of=plan.as_of,
            )
            with (
                tqdm(desc=_("snapshot"), unit=_("event"), disable=quiet) as rows,
                tqdm(total=STEPS, desc=_("training"), disable=quiet) as bar,
            ):

                def step(what: str) -> None:
                    bar.update()
                    bar.set_postfix_str(what)

                run = train(
                    plan=plan,
                    source=source,
                    directory=out,
                    fresh=options["fresh"],
                    progress=rows.update,
                    step=step,
                )
                bar.update(STEPS - bar.n)
        except (TrainingError, SnapshotError, RegistryError, Locked) as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(
                _("The database failed: %(error)s. The same command goes on where it was.")
                % {"error": error}
            ) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                _("Interrupted. The same command goes on where it was."), returncode=130
            ) from error
        except OSError as error:
            raise CommandError(
                _("%(directory)s cannot be written: %(error)s.")
                % {"directory": out, "error": error}
            ) from error
        self._report(run)

    def _report(self, run: Run) -> None:
        mine = run.metrics["models"][run.kind]
        values = {
            "name": run.name,
            "auc": mine["auc"]["value"],
            "log_loss": mine["log_loss"]["value"],
            "ece": mine["ece"]["value"],
            "trials": run.metrics["test"]["trials"],
            "users": run.metrics["test"]["users"],
            "sha": run.manifest["snapshot"]["sha256"][:12],
            "rows": run.manifest["snapshot"]["rows"],
            "directory": run.directory,
        }
        state = _("%(name)s registered") if run.created else _("%(name)s was registered already")
        parts = [
            (state + ": AUC %(auc).4f, log-loss %(log_loss).4f, ECE %(ece).4f") % values,
            _("on %(trials)d later trials of %(users)d unseen players") % values,
        ]
        gain = card.interval(run.gate["gain"], sign=True)
        versus = _("gain in log-loss over %(name)s: %(gain)s") % {
            "name": run.gate["against"],
            "gain": gain,
        }
        end = _("Snapshot %(sha)s of %(rows)d events. Artefacts in %(directory)s.") % values
        self.stdout.write(self.style.SUCCESS(", ".join([*parts, versus]) + ". " + end))
        if run.gate["passed"]:
            text = _("The gate: passed. It can be made the champion in the admin.")
            self.stdout.write(self.style.SUCCESS(text))
        else:
            reasons = "; ".join(str(text) for text in card.reasons(run.gate))
            text = _("The gate: not passed: %(reasons)s.") % {"reasons": reasons}
            self.stdout.write(self.style.WARNING(text))
