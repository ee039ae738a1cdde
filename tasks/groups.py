"""Test groups: the order in which they are judged, what blocks them, and the points they earn.

A group earns its points when all of its tests pass. Judging goes in stages, one sandbox job each:
first the pretests, of which a failed one stops everything after it, then the other groups as soon
as the groups that they require have been judged. A test that is not run because of this carries
the verdict of what blocked it: it counts as not passed for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tasks.enums import Verdict
from tasks.spec import TestGroup


def stages(groups: Iterable[TestGroup]) -> Iterator[tuple[TestGroup, ...]]:
    """The groups in the order of judging, those together that need not wait for one another."""
    waiting = sorted(groups, key=lambda group: not group.pretest)
    done: set[str] = set()
    while waiting:
        pretest = waiting[0].pretest
        ready = tuple(
            group
            for group in waiting
            if group.pretest == pretest and done.issuperset(group.requires)
        )
        if not ready:
            raise ValueError(f"group {waiting[0].name} requires a group that is not before it")
        yield ready
        done |= {group.name for group in ready}
        waiting = [group for group in waiting if group not in ready]


def blocked_by(
    group: TestGroup, groups: Iterable[TestGroup], verdicts: Mapping[str, Verdict]
) -> Verdict | None:
    """The verdict for which the tests of `group` are not run, None when they are.

    `verdicts` has the groups that have been judged, or blocked, before.
    """
    pretests = {one.name for one in groups if one.pretest}
    needed = set(group.requires) | (pretests & verdicts.keys())
    failed = [verdicts[name] for name in needed if verdicts[name] != Verdict.AC]
    return Verdict.strongest(failed) if failed else None
