"""The vocabulary of judging: verdicts, kinds of task, states of an assignment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _


class Verdict(models.TextChoices):
    """Verdicts of a run or of a submission, strongest first.

    The order of the members is the precedence of the contract: when several
    verdicts hold for one submission, the first of them in this order wins.
    """

    IE = "IE", _("Internal error")
    CE = "CE", _("Compile error")
    TLE = "TLE", _("Time limit exceeded")
    MLE = "MLE", _("Memory limit exceeded")
    OLE = "OLE", _("Output limit exceeded")
    RTE = "RTE", _("Runtime error")
    WA = "WA", _("Wrong answer")
    AC = "AC", _("Accepted")

    @classmethod
    def strongest(cls, verdicts: Iterable[Self | str]) -> Verdict:
        """The verdict that stands for all of `verdicts`; `AC` for none of them."""
        order = list(cls)
        found = {cls(verdict) for verdict in verdicts}
        return next((verdict for verdict in order if verdict in found), cls.AC)


class Kind(models.TextChoices):
    STDIO = "stdio", _("Reads standard input, writes standard output")
    FUNCTION = "function", _("A function that is called with JSON arguments")
    SQL = "sql", _("An SQL query")


class Origin(models.TextChoices):
    """The format that a task's package had."""

    NEUROGAME = "neurogame", _("our own")
    KATTIS = "kattis", _("Kattis problem package")
    HUMANEVAL = "humaneval", _("HumanEval record")


class ProgramRole(models.TextChoices):
    """What a program of a package is for."""

    SUBMISSION = "submission", _("submission")
    VALIDATOR = "validator", _("output validator")


class AssignmentState(models.TextChoices):
    """States of a task within a session, with the moves that are allowed."""

    ISSUED = "task_issued", _("issued")
    AWAITING = "awaiting_solution", _("awaiting a solution")
    EVALUATING = "evaluating", _("being evaluated")
    FEEDBACK = "feedback_ready", _("feedback ready")
    CLOSED = "closed", _("closed")

    @classmethod
    def claimable(cls) -> tuple[AssignmentState, ...]:
        """States from which a check may claim the evaluation."""
        return (cls.AWAITING, cls.FEEDBACK)


class CloseReason(models.TextChoices):
    ACCEPTED = "accepted", _("accepted")
    SKIPPED = "skipped", _("skipped")
    ATTEMPTS = "attempts", _("out of attempts")
    TIME = "time", _("out of time")
    SESSION = "session", _("the session ended")
