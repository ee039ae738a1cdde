"""Signals of the task room, for the rooms above it."""

from __future__ import annotations

from django.dispatch import Signal

# After the commit of a judged check; kwargs: assignment, attempt.
attempt_judged = Signal()
# After the commit of a new assignment; kwargs: assignment.
task_issued = Signal()
# After the commit that closed one; kwargs: assignment.
task_closed = Signal()
