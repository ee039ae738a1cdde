"""Solutions that came from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from telemetry.integrity.records import Case, Finding, Submission, plain

SHARE = 0.5
LEAST_CHARS = 80
LINE_CHARS = 6


def lines(text: str) -> list[str]:
    """The lines that say something, without their white space."""
    found = (plain(line) for line in text.splitlines())
    return [line for line in found if len(line) >= LINE_CHARS]


def pasted_chars(code: str, pasted: Iterable[str], known: Iterable[str]) -> tuple[int, int]:
    """(characters of `code` in lines that were pasted, characters of all its own lines).

    Lines of texts in `known`, such as the starter code, count for neither.
    """
    own = {line for text in known for line in lines(text)}
    foreign = {line for text in pasted for line in lines(text)} - own
    written = [line for line in lines(code) if line not in own]
    return sum(len(line) for line in written if line in foreign), sum(map(len, written))


def find(case: Case) -> list[Finding]:
    """The first submission of each task of which at least half was pasted from elsewhere."""
    found: dict[str, Finding] = {}
    for sent in sorted(case.submissions, key=lambda sent: sent.at):
        if sent.task_id not in found and (finding := _examined(sent, case)) is not None:
            found[sent.task_id] = finding
    return list(found.values())


def _examined(sent: Submission, case: Case) -> Finding | None:
    pastes = [
        paste
        for paste in case.external_pastes
        if paste.at <= sent.at and paste.task_id in ("", sent.task_id)
    ]
    covered, total = pasted_chars(sent.code, (paste.text() for paste in pastes), case.own_texts)
    if covered < LEAST_CHARS or covered < SHARE * total:
        return None
    share = round(100 * covered / total)
    return Finding(
        rule="pasted_solution",
        strong=True,
        at=sent.at,
        text=_("%(share)d %% of %(what)s was pasted from elsewhere")
        % {"share": share, "what": sent.label or _("a submission")},
        sources=frozenset({sent.id}),
        task_id=sent.task_id,
        evidence={"share": share, "chars": covered, "of": total, "pastes": len(pastes)},
    )
