"""What the record of a proof says: surprises, the share of mutants killed, and time limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from tasks.enums import Verdict
from tasks.mutation import PER_REFERENCE, Mutant
from tasks.verification.limits import Times, check_limit, times_of
from tasks.verification.steps import steps
from tasks.verification.subject import Subject

MIN_SHARE = 0.8
# A mutant that does not compile shows nothing, and neither does a fault of ours.
UNBORN = (Verdict.CE, Verdict.IE)


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of a proof. `missing` counts steps without an entry: a proof that is not done
    has not passed. `alive` are the mutants that no hidden test kills, `born` those that ran."""

    programs: int
    missing: int
    surprises: list[str]
    born: int
    killed: int
    alive: list[str]
    times: dict[str, Times]
    declared_s: float
    inferred_s: float | None
    limits: list[str]

    @property
    def share(self) -> float | None:
        """Killed mutants of those that ran; None where there are no mutants at all."""
        return self.killed / self.born if self.born else None

    @property
    def faults(self) -> list[str]:
        """Why the task must not be published, a sentence each; empty for a proof that passes."""
        found = list(self.surprises)
        if self.missing:
            found.append(_("The proof is not complete."))
        if self.share is not None and self.share < MIN_SHARE:
            found.append(
                _("The hidden tests kill %(killed)d of %(born)d mutants, under %(least)d %%.")
                % {"killed": self.killed, "born": self.born, "least": round(100 * MIN_SHARE)}
            )
        return found


def report(
    subject: Subject, record: Mapping[str, Any], *, per_reference: int = PER_REFERENCE
) -> Report:
    """Read a record, whole or not, of a proof with that many mutants of each reference."""
    planned = steps(subject, per_reference=per_reference)
    mutants = [
        (step.what, record[step.key])
        for step in planned
        if isinstance(step.what, Mutant) and step.key in record
    ]
    surprises = [
        f"{one.name}: {one.expected} -> {found['verdict']}"
        + (f" ({found['detail']})" if found["detail"] else "")
        for one in subject.programs
        if (found := record.get(f"program {one.name}")) and found["verdict"] != one.expected
    ]
    surprises += [f"{mutant}: IE" for mutant, found in mutants if found["verdict"] == Verdict.IE]
    born = [(mutant, found) for mutant, found in mutants if found["verdict"] not in UNBORN]
    alive = [str(mutant) for mutant, found in born if found["verdict"] == Verdict.AC]
    times = times_of(subject, record)
    inferred, findings = check_limit(subject.spec.limits.time_s, times)
    return Report(
        programs=len(subject.programs),
        missing=sum(step.key not in record for step in planned),
        surprises=surprises,
        born=len(born),
        killed=len(born) - len(alive),
        alive=alive,
        times=times,
        declared_s=subject.spec.limits.time_s,
        inferred_s=inferred,
        limits=findings,
    )
