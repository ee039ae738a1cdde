"""The proof that comes with the bank, `bank/verified.json`: what passed, so that loading the bank
need not judge thousands of programs first. `manage.py verify_tasks --record` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.utils import timezone

from tasks.packages import BANK, Package, discover
from tasks.sandbox.languages import LANGUAGES
from tasks.verification.report import Report
from tasks.verification.subject import Subject

PROOFS = BANK / "verified.json"
FORMAT = 1


def shipped(path: Path = PROOFS) -> dict[str, dict[str, Any]]:
    """What passed, by slug: `checksum` of the package, day, counts and versions."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text("utf-8"))
    return dict(found["tasks"]) if found["format"] == FORMAT else {}


def record_proofs(
    passed: Iterable[tuple[Package, Report]],
    failed: Iterable[Package] = (),
    *,
    path: Path = PROOFS,
    bank: Path = BANK,
) -> None:
    """Write what passed, take out what failed or has left the bank, and keep the rest."""
    proofs = shipped(path)
    for package in failed:
        proofs.pop(package.slug, None)
    for package, report in passed:
        if package.folder.resolve().is_relative_to(bank.resolve()):
            proofs[package.slug] = _proof(package, report)
    there = {folder.name for folder in discover([bank])}
    _write({slug: proof for slug, proof in proofs.items() if slug in there}, path)


def stamp(package: Package, *, path: Path = PROOFS) -> bool:
    """Let a proof hold for a package of the same content, other texts perhaps; whether one did."""
    proofs = shipped(path)
    known = proofs.get(package.slug, {})
    if known.get("content") != Subject.of(package).fingerprint:
        return False
    if known["checksum"] != package.checksum:
        known["checksum"] = package.checksum
        _write(proofs, path)
    return True


def _write(proofs: dict[str, dict[str, Any]], path: Path) -> None:
    kept = {slug: proofs[slug] for slug in sorted(proofs)}
    text = json.dumps({"format": FORMAT, "tasks": kept}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", "utf-8")


def _proof(package: Package, report: Report) -> dict[str, Any]:
    versions = (LANGUAGES[name].versions() for name in package.languages if name in LANGUAGES)
    return {
        "checksum": package.checksum,
        "content": Subject.of(package).fingerprint,
        "verified": timezone.now().date().isoformat(),
        "programs": report.programs,
        "mutants": report.born,
        "killed": report.killed,
        "share": None if report.share is None else round(report.share, 3),
        "versions": [version for one in versions for version in one],
    }
