"""Which tasks may be given to candidates: those whose present content is proven.

A proof belongs to a content, known by its `Subject.fingerprint`: whatever changes a verdict. Changing it
takes a task out of interviews until a proof of the new content passes.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks import slices
from tasks.enums import ProgramRole, Verdict
from tasks.models import CodingTask
from tasks.proofs import ProofState, Verification
from tasks.verification import Program, Subject, entry, report, steps
from tasks.verification.shipped import PROOFS, shipped

logger = logging.getLogger(__name__)

# The judge may fail for a while (no sandbox, a full queue) without the task being at fault.
FAILURES = 5


def subject_of(task: CodingTask) -> Subject:
    """What a proof of the task proves, from its rows."""
    programs = tuple(
        Program(one.name, one.language, one.source, one.expected)
        for one in task.programs.filter(role=ProgramRole.SUBMISSION).order_by("name")
    )
    return Subject(task.spec(), programs, frozenset(task.equivalent_mutants))


def proof_of(task: CodingTask) -> Verification | None:
    """The proof of the task's present content that passed, if there is one."""
    content = subject_of(task).fingerprint
    return task.verifications.filter(fingerprint=content, state=ProofState.PASSED).first()


@transaction.atomic
def request(task: CodingTask, *, publish: bool, who: Any = None) -> Verification:
    """Have the task's present content proven, unless that is under way, and publish it then.

    A proof of an earlier content that is under way is given up. What passed before is proven again:
    whoever asks wants to know.
    """
    from tasks import jobs

    task = CodingTask.objects.select_for_update().get(pk=task.pk)
    subject = subject_of(task)
    content = subject.fingerprint
    pending = task.verifications.filter(state__in=ProofState.pending()).first()
    if pending is not None and pending.fingerprint == content:
        Verification.objects.filter(pk=pending.pk).update(publish=publish)
        pending.publish = publish
        return pending
    if pending is not None:
        give_up(pending, _("The task was changed before the proof was complete."))
    made = Verification.objects.create(
        task=task, fingerprint=content, publish=publish, who=who, total=len(steps(subject))
    )
    transaction.on_commit(lambda: jobs.verify.enqueue(made.pk))
    return made


def give_up(verification: Verification, why: str) -> None:
    """End a proof that did not come to its end."""
    Verification.objects.filter(pk=verification.pk, finished_at=None).update(
        state=ProofState.FAILED, faults=[why], finished_at=timezone.now(), holder=""
    )


def settle(task: CodingTask, *, who: Any = None) -> Verification | None:
    """Let an active task stay so only with a proof; without one it waits for it.

    Returns the proof that was asked for, None when there is one. An inactive task is left alone,
    but no longer becomes active by itself.
    """
    if not task.active:
        task.verifications.update(publish=False)
        return None
    if proof_of(task) is not None:
        return None
    CodingTask.objects.filter(pk=task.pk).update(active=False)
    task.active = False
    return request(task, publish=True, who=who)


def settle_all(proofs: Path = PROOFS) -> int:
    """`settle` for all tasks, after packages were loaded; how many wait for a proof from now on.

    What comes with the bank was proven by those who made it, and is taken over.
    """
    known = shipped(proofs)
    waiting = 0
    for task in CodingTask.objects.prefetch_related("tests"):
        if not (task.active or _is_wanted(task)) or proof_of(task) is not None:
            continue
        active = _adopt(task, known.get(task.slug, {}))
        CodingTask.objects.filter(pk=task.pk).update(active=active)
        if not active:
            request(task, publish=True)
            waiting += 1
    return waiting


def _is_wanted(task: CodingTask) -> bool:
    """Whether it would be active, had its last proof passed, and is another task since then."""
    last = task.verifications.first()
    return bool(last and last.publish and last.fingerprint != subject_of(task).fingerprint)


def _adopt(task: CodingTask, proof: dict[str, Any]) -> bool:
    """Take over the proof that came with the bank, when it is one of what the task is now."""
    content = subject_of(task).fingerprint
    if proof.get("content") != content:
        return False
    now = timezone.now()
    Verification.objects.create(
        task=task,
        fingerprint=content,
        state=ProofState.PASSED,
        shipped=True,
        programs=proof["programs"],
        mutants=proof["mutants"],
        killed=proof["killed"],
        detail=proof,
        started_at=now,
        finished_at=now,
    )
    return True


# --- Carrying a proof out -----------------------------------------------------------------------


def carry_on(pk: int, *, seconds: float = slices.SLICE_S) -> bool:
    """A slice of a proof; whether some of it is left to do at once."""
    with slices.held(Verification, pk, seconds=seconds) as mine:
        if mine is None:
            return False
        row = Verification.objects.select_related("task").get(pk=pk)
        subject = subject_of(row.task)
        if subject.fingerprint != row.fingerprint:
            give_up(row, _("The task was changed before the proof was complete."))
            return False
        started = {} if row.started_at else {"started_at": timezone.now()}
        todo = [step for step in steps(subject) if step.key not in row.detail]
        mine.save(state=ProofState.RUNNING, total=row.total, **started)
        for step in todo:
            if mine.over:
                return True
            found = entry(subject, step, row.detail)
            if found["verdict"] == Verdict.IE:
                _failed(row, mine, found.get("detail") or step.key)
                return False
            row.detail[step.key] = found
            mine.save(detail=row.detail, done=len(row.detail))
        _finish(row, subject, mine)
    return False


def _failed(row: Verification, mine: slices.Held, why: str) -> None:
    """The judge failed: the same step is tried again later, a few times."""
    logger.warning("the proof of %s was interrupted: %s", row.task, why)
    if row.failures + 1 >= FAILURES:
        give_up(row, _("The judge failed: %(why)s") % {"why": why})
    else:
        mine.save(failures=row.failures + 1)


def _finish(row: Verification, subject: Subject, mine: slices.Held) -> None:
    found = report(subject, row.detail)
    passed = not found.faults
    alive = [_("No hidden test kills %(mutant)s.") % {"mutant": one} for one in found.alive]
    with transaction.atomic():
        task = CodingTask.objects.select_for_update().get(pk=row.task_id)
        mine.save(
            state=ProofState.PASSED if passed else ProofState.FAILED,
            programs=found.programs,
            mutants=found.born,
            killed=found.killed,
            faults=found.faults,
            findings=[*found.limits, *alive],
            finished_at=timezone.now(),
        )
        row.refresh_from_db(fields=["publish"])
        if passed and row.publish and subject_of(task).fingerprint == row.fingerprint:
            CodingTask.objects.filter(pk=task.pk).update(active=True)
