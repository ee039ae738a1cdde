"""Train, evaluate and register a model on a snapshot of the game's events."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from tqdm import tqdm

from telemetry.training import snapshot
from telemetry.training.registry import RegistryError
from telemetry.training.run import Run, RunConfig, TrainingError, load_config, train


class Command(BaseCommand):
    help = (
        "Takes a snapshot of the events, fits the item-mean baseline and the Elo model, evaluates "
        "both on players that were not trained on, writes JSON artefacts and registers the model "
        "version. Parameters come from defaults, then --config (or the file named by RUN_CONFIG), "
        "then arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_argument_group(_("where the events come from (default: this database)"))
        source.add_argument(
            "--snapshot", type=Path, help=_("An NDJSON export or earlier snapshot.")
        )
        source.add_argument("--url", help=_("Another server; its export endpoint is read."))
        source.add_argument("--api-key", default=os.environ.get("NEUROGAME_API_KEY", ""))
        source.add_argument("--as-of", type=int, help=_("The last seq to include."))
        run = parser.add_argument_group(_("the run"))
        run.add_argument("--config", type=Path, help=_("TOML file of parameters."))
        run.add_argument("--model", help=_("Which model to register: elo or item_mean."))
        run.add_argument("--seed", type=int)
        run.add_argument("--test-share", type=float)
        run.add_argument("--elo-user-gain", type=float, nargs=2, metavar=("A", "B"))
        run.add_argument("--elo-item-gain", type=float, nargs=2, metavar=("A", "B"))
        run.add_argument("--item-mean-strength", type=float)
        run.add_argument("--ece-bins", type=int)
        run.add_argument("--bootstrap", type=int)
        run.add_argument("--min-users", type=int)
        run.add_argument("--min-trials", type=int)
        run.add_argument("--name", default="", help=_("Name of the version; default: by content."))
        run.add_argument(
            "--out", type=Path, help=_("Where artefacts go; default: models/ beside the database.")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["snapshot"] and options["url"]:
            raise CommandError(_("Give --snapshot or --url, not both."))
        quiet = options["verbosity"] == 0 or None
        out = options["out"] or Path(settings.DATA_DIR) / "models"
        environment = os.environ.get("RUN_CONFIG")
        config_path = options["config"] or (Path(environment) if environment else None)
        names = [field.name for field in fields(RunConfig)]
        try:
            config = load_config(config_path, **{name: options[name] for name in names})
            source = snapshot.write(
                self._counted(self._rows(options), quiet), out.parent / "snapshots"
            )
            with tqdm(total=5, desc=_("training"), disable=quiet) as bar:

                def progress(step: str) -> None:
                    bar.update()
                    bar.set_postfix_str(step)

                run = train(
                    source=source,
                    config=config,
                    directory=out,
                    name=options["name"],
                    progress=progress,
                )
        except (TrainingError, snapshot.SnapshotError, RegistryError) as error:
            raise CommandError(str(error)) from error
        self._report(run, config.model)

    def _rows(self, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if options["snapshot"]:
            return snapshot.from_file(options["snapshot"], as_of=options["as_of"])
        if options["url"]:
            return snapshot.from_export(
                url=options["url"], api_key=options["api_key"], as_of=options["as_of"]
            )
        return snapshot.from_database(as_of=options["as_of"])

    def _counted(
        self, rows: Iterable[dict[str, Any]], quiet: bool | None
    ) -> Iterator[dict[str, Any]]:
        yield from tqdm(rows, desc=_("snapshot"), unit=_("event"), disable=quiet)

    def _report(self, run: Run, kind: str) -> None:
        mine = run.metrics["models"][kind]
        values = {
            "name": run.name,
            "auc": mine["auc"]["value"],
            "log_loss": mine["log_loss"]["value"],
            "ece": mine["ece"]["value"],
            "trials": run.manifest["test"]["trials"],
            "users": run.manifest["test"]["users"],
            "sha": run.manifest["snapshot"]["sha256"][:12],
            "rows": run.manifest["snapshot"]["rows"],
            "directory": run.directory,
        }
        state = _("%(name)s registered") if run.created else _("%(name)s was registered already")
        parts = [
            (state + ": AUC %(auc).4f, log-loss %(log_loss).4f, ECE %(ece).4f") % values,
            _("on %(trials)d trials of %(users)d unseen players") % values,
        ]
        if "gain" in mine:
            gain = mine["gain"]["auc"]
            parts.insert(
                1,
                _("AUC %(value)+.4f over the item mean (95 %% %(low)s to %(high)s)") % gain,
            )
        end = _("Snapshot %(sha)s of %(rows)d events. Artefacts in %(directory)s.") % values
        self.stdout.write(self.style.SUCCESS(", ".join(parts) + ". " + end))
