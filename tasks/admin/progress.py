"""Progress that a page shows while a job works: a bar that moves without loading the page again.

`admin.js` asks the address of the bar for JSON once a second until it says `finished`.
"""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from tasks.models import Rejudge, Verification
from tasks.proofs import ProofState

PROOF_TONES = {"passed": "good", "failed": "bad", "running": "info", "queued": "info"}


def progress_bar(url: str, values: dict[str, Any]) -> SafeString:
    """The bar of `values`, which `url` answers with later ones."""
    return format_html(
        '<div class="ng-progress" data-progress="{}"{}>'
        '<progress class="ng-progress__bar" max="{}" value="{}"{}></progress>'
        '<span class="ng-progress__text" role="status">{}</span></div>',
        url,
        SafeString(" data-finished") if values["finished"] else "",
        max(values["total"], 1),
        values["done"],
        SafeString(" hidden") if values["finished"] else "",
        values["text"],
    )


def proof_progress(row: Verification | None) -> dict[str, Any]:
    """How far a proof is, as JSON for the bar."""
    if row is None:
        return {"done": 0, "total": 0, "finished": True, "text": _("Its tests are not proven.")}
    return {
        "done": row.done,
        "total": row.total,
        "finished": row.state not in ProofState.pending(),
        "text": _proof_text(row),
    }


def _proof_text(row: Verification) -> str:
    if row.state == ProofState.QUEUED:
        return _("Waiting for the worker.")
    if row.state == ProofState.RUNNING:
        return _("%(done)d of %(total)d programs judged.") % {"done": row.done, "total": row.total}
    if row.state == ProofState.FAILED:
        return _("Failed: %(fault)s") % {"fault": row.faults[0] if row.faults else "–"}
    values = {"programs": row.programs, "killed": row.killed, "mutants": row.mutants}
    if not row.mutants:
        return _("Passed: %(programs)d programs.") % values
    return (
        _("Passed: %(programs)d programs; the hidden tests kill %(killed)d of %(mutants)d mutants.")
        % values
    )


def rejudge_progress(row: Rejudge) -> dict[str, Any]:
    """How far judging again is, as JSON for the bar."""
    finished = row.finished_at is not None
    text = _("%(done)d of %(total)d attempts judged again, %(changed)d verdicts changed.")
    values = {"done": row.done, "total": row.total, "changed": row.changed}
    return {"done": row.done, "total": row.total, "finished": finished, "text": text % values}
