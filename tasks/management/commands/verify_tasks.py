"""Prove the tests of packages: their programs, mutants of their references, their time limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from tqdm import tqdm

from tasks.mutation import PER_REFERENCE
from tasks.packages import Package, PackageError, discover, parse
from tasks.verification import Report, Subject, prove, report, steps
from tasks.verification.limits import write_limit
from tasks.verification.shipped import record_proofs, stamp


class Command(BaseCommand):
    help = (
        "Judge every program of the packages (default: the whole bank) in the sandbox; fails if a "
        "package is broken, a verdict is not the one that the program's folder names, or, with "
        "--mutants, the hidden tests let too many mutants of the references pass."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
        parser.add_argument("--slug", action="append", help="only this task; can be repeated")
        parser.add_argument(
            "--mutants",
            nargs="?",
            type=int,
            const=PER_REFERENCE,
            default=0,
            metavar="N",
            help=f"judge mutants too, at most N of each reference ({PER_REFERENCE})",
        )
        either = parser.add_mutually_exclusive_group()  # another limit is another package
        either.add_argument(
            "--write-limits",
            action="store_true",
            help="write the time limit that the measured times suggest into task.toml",
        )
        either.add_argument(
            "--record",
            action="store_true",
            help="with all mutants: write what passed into the bank's verified.json; a task whose "
            "content is proven there is not judged again, unless --slug names it",
        )
        parser.add_argument(
            "--jobs", type=int, default=settings.JUDGE_SLOTS, help="programs at one time"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folders = _folders(options["paths"], options["slug"])
        mutants = PER_REFERENCE if options["record"] else options["mutants"]
        self.quiet, self.detailed = options["verbosity"] == 0, options["verbosity"] > 1
        self.figures = self.detailed or (not self.quiet and bool(mutants))
        packages, bad = self.parsed(folders)
        if options["record"] and not options["slug"]:
            packages = [package for package in packages if not stamp(package)]
        subjects = [(package, Subject.of(package)) for package in packages]
        total = sum(len(steps(subject, per_reference=mutants)) for _one, subject in subjects)
        programs = born = killed = 0
        with tqdm(total=total, unit=_("program"), disable=self.quiet or None) as bar:
            for package, subject in subjects:
                bar.set_postfix_str(package.slug)
                record = prove(
                    subject, per_reference=mutants, workers=options["jobs"], told=bar.update
                )
                found = report(subject, record, per_reference=mutants)
                self.tell(package, found)
                programs, born, killed = (
                    programs + found.programs, born + found.born, killed + found.killed,
                )  # fmt: skip
                bad += len(found.faults)
                if options["record"]:
                    passed = [] if found.faults else [(package, found)]
                    record_proofs(passed, failed=[package] if found.faults else [])
                if options["write_limits"] and found.inferred_s not in (None, found.declared_s):
                    write_limit(package.folder, float(found.inferred_s or 0))
        summary = _("%(tasks)d tasks, %(programs)d programs, %(bad)d surprises") % {
            "tasks": len(folders),
            "programs": programs,
            "bad": bad,
        }
        if born:
            summary += ", " + _("%(killed)d of %(born)d mutants killed (%(share).1f %%)") % {
                "killed": killed, "born": born, "share": 100 * killed / born,
            }  # fmt: skip
        if bad:
            raise CommandError(summary)
        if not self.quiet:
            self.stdout.write(self.style.SUCCESS(summary))

    def parsed(self, folders: list[Path]) -> tuple[list[Package], int]:
        """The packages that are whole, and how many are not."""
        packages, bad = [], 0
        for folder in folders:
            try:
                packages.append(parse(folder))
            except PackageError as error:
                self.complain(str(error))
                bad += 1
        return packages, bad

    def tell(self, package: Package, found: Report) -> None:
        """What was found out about one task: faults and warnings, and the figures when asked."""
        for surprise in found.surprises:
            self.complain(f"{package.folder}/submissions/{surprise}")
        for fault in found.faults[len(found.surprises) :]:
            self.complain(f"{package.folder}: {fault}")
        for finding in found.limits:
            self.complain(f"{package.folder}: {finding}", self.style.WARNING)
        if self.detailed or found.faults:
            for mutant in found.alive:
                self.complain(f"{package.folder}: alive: {mutant}", self.style.WARNING)
        if self.figures:
            times = "; ".join(f"{language} {one}" for language, one in found.times.items())
            share = "" if found.share is None else f" {100 * found.share:.0f} %"
            limit = "" if found.inferred_s is None else f" -> {found.inferred_s:g} s"
            with tqdm.external_write_mode():
                self.stdout.write(
                    f"{package.slug}:{share} ({found.killed}/{found.born}); {times}; "
                    f"{found.declared_s:g} s{limit}"
                )

    def complain(self, line: str, style: Any = None) -> None:
        with tqdm.external_write_mode():
            self.stderr.write((style or self.style.ERROR)(line))


def _folders(paths: list[Path], slugs: list[str] | None) -> list[Path]:
    try:
        folders = list(discover(paths))
    except PackageError as error:
        raise CommandError(str(error))
    if not slugs:
        return folders
    if unknown := set(slugs) - {folder.name for folder in folders}:
        raise CommandError(_("no such task: %(slug)s") % {"slug": sorted(unknown)[0]})
    return [folder for folder in folders if folder.name in slugs]
