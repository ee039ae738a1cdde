"""Whose session, whose task: everything else is not there."""

from __future__ import annotations

import uuid
from typing import Any

from neurogame.problems import Problem
from tasks.models import Assignment


def session_for(user: Any, session_id: str) -> Any:
    """The candidate's own session by its id; `not_found` for another's and for nonsense."""
    try:
        key = uuid.UUID(str(session_id))
    except ValueError:
        raise Problem("not_found") from None
    session = user.interviews.filter(pk=key).first()
    if session is None:
        raise Problem("not_found")
    return session


def assignment_for(user: Any, session_id: str, task_id: str) -> Assignment:
    """The assignment of a task in the candidate's own session."""
    session = session_for(user, session_id)
    try:
        key = uuid.UUID(str(task_id))
    except ValueError:
        raise Problem("not_found") from None
    assignment: Assignment | None = (
        session.assignments.filter(task_id=key).select_related("task", "session").first()
    )
    if assignment is None:
        raise Problem("not_found")
    return assignment
