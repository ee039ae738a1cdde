"""Background jobs of the task room: proofs of tests, and judging again, in slices."""

from __future__ import annotations

from django.tasks import task

from neurogame.periodic import periodic
from tasks import publishing, rejudging, slices, stuck
from tasks.proofs import Rejudge, Verification


@task
def verify(pk: int) -> bool:
    """A slice of the proof of a task; enqueues the next. Whether some is left."""
    left = publishing.carry_on(pk)
    if left:
        verify.enqueue(pk)
    return left


@task
def rejudge(pk: int) -> bool:
    """A slice of judging attempts again; enqueues the next. Whether some is left."""
    left = rejudging.carry_on(pk)
    if left:
        rejudge.enqueue(pk)
    return left


@periodic(30)
@task
def go_on() -> dict[str, int]:
    """Enqueue what a lost worker, or a judge that failed, left undone."""
    return {
        "verifications": slices.enqueue_again(Verification, verify),
        "rejudgings": slices.enqueue_again(Rejudge, rejudge),
    }


@periodic(60)
@task
def free_stuck() -> dict[str, int]:
    """End runs and open tasks that nobody evaluates any more."""
    return stuck.free()
