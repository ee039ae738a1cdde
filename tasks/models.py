"""Records of the task room: the bank, assignments with their moves, attempts, runs, drafts."""

from __future__ import annotations

import uuid
from typing import Any, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from tasks.enums import AssignmentState, CloseReason, Kind, Origin, ProgramRole, Verdict
from tasks.proofs import AttemptRejudge, Rejudge, Verification
from tasks.spec import VALIDATOR, Limits, TaskSpec, TestCase, TestGroup, Validator

__all__ = [
    "Assignment",
    "AssignmentMove",
    "Attempt",
    "AttemptRejudge",
    "CodeRun",
    "CodingTask",
    "Draft",
    "Evaluation",
    "Progress",
    "Rejudge",
    "TaskProgram",
    "TaskTest",
    "TaskTranslation",
    "Verification",
]


class TaskQuerySet(models.QuerySet["CodingTask"]):
    def selectable(self, track: str) -> Self:
        """Tasks of a track that an interview may give."""
        return self.filter(track=track, active=True)


class CodingTask(models.Model):
    """A task of the bank. `difficulty` and `discrimination` are b and a of the 2PL model."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(_("slug"), max_length=80, unique=True)
    track = models.CharField(_("track"), max_length=20, db_index=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    entry = models.CharField(
        _("function"), max_length=80, blank=True, help_text=_("Name of the function to write.")
    )
    difficulty = models.FloatField(
        _("difficulty"),
        validators=[MinValueValidator(-4.0), MaxValueValidator(4.0)],
        help_text=_("b of the 2PL model: at this ability half of the candidates succeed."),
    )
    discrimination = models.FloatField(
        _("discrimination"),
        default=1.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(4.0)],
        help_text=_("a of the 2PL model: how sharply the task tells abilities apart."),
    )
    time_limit_s = models.PositiveIntegerField(
        _("time, s"), default=900, help_text=_("Seconds that a candidate has for the task.")
    )
    languages = models.JSONField(_("languages"), default=list)
    starter = models.JSONField(_("starter code"), default=dict, blank=True)
    checker = models.CharField(_("checker"), max_length=30, default="tokens")
    checker_options = models.JSONField(_("checker options"), default=dict, blank=True)
    groups = models.JSONField(
        _("test groups"),
        default=list,
        blank=True,
        help_text=_("Name, points, required groups, and whether a failure stops judging."),
    )
    origin = models.CharField(_("format"), max_length=20, choices=Origin, default=Origin.NEUROGAME)
    credits = models.TextField(
        _("credits"), blank=True, help_text=_("Author, source and licence of the task.")
    )
    cpu_s = models.FloatField(_("CPU limit, s"), default=2.0)
    memory_mb = models.PositiveIntegerField(_("memory limit, MiB"), default=256)
    output_kb = models.PositiveIntegerField(_("output limit, KiB"), default=64)
    active = models.BooleanField(
        pgettext_lazy("task", "active"),
        default=True,
        help_text=_("Only active tasks are given in interviews."),
    )
    checksum = models.CharField(max_length=64, blank=True, editable=False)
    equivalent_mutants = models.JSONField(
        _("equivalent mutants"),
        default=list,
        blank=True,
        help_text=_("Mutants of the references that no test can tell from them."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("coding task")
        verbose_name_plural = _("coding tasks")
        ordering = ["track", "difficulty"]

    def __str__(self) -> str:
        return self.slug

    @property
    def limits(self) -> Limits:
        return Limits(time_s=self.cpu_s, memory_mb=self.memory_mb, output_kb=self.output_kb)

    def spec(self) -> TaskSpec:
        """The task as the judge sees it."""
        return TaskSpec(
            slug=self.slug,
            kind=self.kind,
            limits=self.limits,
            entry=self.entry,
            checker=self.checker,
            checker_options=self.checker_options,
            tests=tuple(test.case() for test in self.tests.all()),
            groups=tuple(TestGroup.from_dict(group) for group in self.groups),
            validator=self.validator() if self.checker == VALIDATOR else None,
        )

    def validator(self) -> Validator | None:
        """The package's own program that judges outputs, where the task has one."""
        program = self.programs.filter(role=ProgramRole.VALIDATOR).first()
        if program is None:
            return None
        return Validator(program.language, program.source, tuple(program.arguments))

    def text(self, locale: str) -> TaskTranslation:
        """Title, statement and hints in `locale`, else in English, else in what there is."""
        by_locale = {text.locale: text for text in self.translations.all()}
        found = by_locale.get(locale) or by_locale.get("en")
        return found or next(iter(by_locale.values()), TaskTranslation(task=self, title=self.slug))


class TaskTranslation(models.Model):
    task = models.ForeignKey(
        CodingTask, models.CASCADE, related_name="translations", verbose_name=_("task")
    )
    locale = models.CharField(_("language"), max_length=5)
    title = models.CharField(_("title"), max_length=200)
    statement = models.TextField(_("statement"), help_text=_("Markdown."))
    hints = models.JSONField(
        _("hints"), default=list, help_text=_("Three texts, each a larger step than the last.")
    )

    class Meta:
        verbose_name = _("task text")
        verbose_name_plural = _("task texts")
        ordering = ["locale"]
        constraints = [models.UniqueConstraint(fields=["task", "locale"], name="one_text_a_locale")]

    def __str__(self) -> str:
        return f"{self.title} ({self.locale})"


class TaskTest(models.Model):
    task = models.ForeignKey(
        CodingTask, models.CASCADE, related_name="tests", verbose_name=_("task")
    )
    order = models.PositiveIntegerField(_("order"))
    name = models.CharField(_("name"), max_length=60)
    visible = models.BooleanField(_("visible"), default=False)
    group = models.CharField(_("group"), max_length=60, blank=True)
    stdin = models.TextField(_("input"), blank=True)
    args = models.JSONField(_("arguments"), null=True, blank=True)
    expected = models.JSONField(
        _("expected"), help_text=_("Never leaves the server for a hidden test.")
    )

    class Meta:
        verbose_name = _("test")
        verbose_name_plural = _("tests")
        ordering = ["order"]
        constraints = [
            models.UniqueConstraint(fields=["task", "name"], name="test_names_differ"),
            models.UniqueConstraint(fields=["task", "order"], name="test_orders_differ"),
        ]

    def __str__(self) -> str:
        return self.name

    def case(self) -> TestCase:
        return TestCase(
            name=self.name,
            visible=self.visible,
            stdin=self.stdin,
            args=self.args,
            expected=self.expected,
            group=self.group,
        )


class TaskProgram(models.Model):
    """A program of the task's package: a submission with the verdict that the judge must give it,
    or the validator that judges outputs."""

    task = models.ForeignKey(
        CodingTask, models.CASCADE, related_name="programs", verbose_name=_("task")
    )
    role = models.CharField(_("role"), max_length=20, choices=ProgramRole)
    name = models.CharField(
        _("name"), max_length=200, help_text=_("The file in the package, such as AC/reference.py.")
    )
    language = models.CharField(_("language"), max_length=20)
    expected = models.CharField(_("expected verdict"), max_length=3, choices=Verdict, blank=True)
    source = models.TextField(_("source"))
    arguments = models.JSONField(
        _("arguments"), default=list, blank=True, help_text=_("What a validator is started with.")
    )

    class Meta:
        verbose_name = _("program of a task")
        verbose_name_plural = _("programs of a task")
        ordering = ["role", "name"]
        constraints = [
            models.UniqueConstraint(fields=["task", "role", "name"], name="program_names_differ")
        ]

    def __str__(self) -> str:
        return self.name


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def open(self) -> Self:
        return self.exclude(state=AssignmentState.CLOSED)


class Assignment(models.Model):
    """A task given to a session. State moves go through `flow.move`, which logs them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(
        "interviews.InterviewSession",
        models.CASCADE,
        related_name="assignments",
        verbose_name=_("interview"),
    )
    task = models.ForeignKey(
        CodingTask, models.PROTECT, related_name="assignments", verbose_name=_("task")
    )
    order = models.PositiveIntegerField(_("order"))
    state = models.CharField(
        _("state"), max_length=20, choices=AssignmentState, default=AssignmentState.ISSUED
    )
    close_reason = models.CharField(_("closed as"), max_length=10, choices=CloseReason, blank=True)
    issued_at = models.DateTimeField(_("issued"), default=timezone.now)
    deadline = models.DateTimeField(_("deadline"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    attempts_used = models.PositiveIntegerField(_("attempts"), default=0)
    best_passed = models.PositiveIntegerField(_("tests passed"), default=0)
    total_tests = models.PositiveIntegerField(_("tests"), default=0)
    best_points = models.PositiveIntegerField(_("points gained"), default=0)
    total_points = models.PositiveIntegerField(
        _("points"), default=0, help_text=_("0 where the task's tests are not in groups.")
    )
    hints_given = models.PositiveIntegerField(_("hints"), default=0)
    theta_before = models.FloatField(_("ability before"), default=0.0)
    theta_after = models.FloatField(_("ability after"), null=True, blank=True)
    lease_token = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    claimed_from = models.CharField(max_length=20, blank=True)
    last_draft_checked = models.BooleanField(default=False)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        ordering = ["session", "order"]
        constraints = [
            models.UniqueConstraint(fields=["session", "task"], name="task_given_once"),
            models.UniqueConstraint(fields=["session", "order"], name="assignment_order"),
            models.UniqueConstraint(
                fields=["session"], condition=~Q(state="closed"), name="one_open_assignment"
            ),
        ]
        indexes = [models.Index(fields=["state", "lease_until"])]

    def __str__(self) -> str:
        return f"{self.order}. {self.task}"


class AssignmentMove(models.Model):
    """One move of an assignment's state, for the record."""

    assignment = models.ForeignKey(
        Assignment, models.CASCADE, related_name="moves", verbose_name=_("assignment")
    )
    old = models.CharField(_("from"), max_length=20, blank=True)
    new = models.CharField(_("to"), max_length=20)
    note = models.CharField(_("note"), max_length=200, blank=True)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("state move")
        verbose_name_plural = _("state moves")
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.old} -> {self.new}"


class Progress(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    DONE = "done", _("done")


class Evaluation(models.Model):
    """What attempts and runs share: the code, and the judge's answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    language = models.CharField(_("language"), max_length=20)
    code = models.TextField(_("code"))
    progress = models.CharField(
        _("progress"), max_length=10, choices=Progress, default=Progress.QUEUED
    )
    verdict = models.CharField(_("verdict"), max_length=3, choices=Verdict, blank=True)
    passed = models.PositiveIntegerField(_("passed"), default=0)
    total = models.PositiveIntegerField(_("tests"), default=0)
    result = models.JSONField(
        _("result"),
        null=True,
        blank=True,
        help_text=_("Everything the judge saw, hidden tests included: for recruiters only."),
    )
    operator_detail = models.TextField(
        _("internal error"), blank=True, help_text=_("Why the judge failed; never shown outside.")
    )
    created_at = models.DateTimeField(_("sent"), default=timezone.now)
    judged_at = models.DateTimeField(_("judged"), null=True, blank=True)

    class Meta:
        abstract = True


class Attempt(Evaluation):
    """A `check`. Idempotent under the client's `submission_id`; numbered unless it was an IE."""

    assignment = models.ForeignKey(
        Assignment, models.CASCADE, related_name="attempts", verbose_name=_("assignment")
    )
    number = models.PositiveIntegerField(
        _("number"),
        null=True,
        blank=True,
        help_text=_("From 1; empty while it is evaluated and after an internal error."),
    )
    submission_id = models.CharField(_("submission"), max_length=128)
    score = models.FloatField(_("score"), null=True, blank=True)
    automatic = models.BooleanField(
        _("automatic"),
        default=False,
        help_text=_("The last draft, checked when the time was over."),
    )

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["assignment", "submission_id"], name="submission_judged_once"
            ),
            models.UniqueConstraint(fields=["assignment", "number"], name="attempt_numbers_differ"),
        ]

    def __str__(self) -> str:
        return f"{self.assignment} #{self.number or '-'} {self.verdict}"


class CodeRun(Evaluation):
    """A `run`: the visible tests, or one run on the candidate's own input. Never scored."""

    assignment = models.ForeignKey(
        Assignment, models.CASCADE, related_name="runs", verbose_name=_("assignment")
    )
    stdin = models.TextField(_("own input"), null=True, blank=True)
    args = models.JSONField(_("own arguments"), null=True, blank=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"{self.assignment} {self.verdict}"


class Draft(models.Model):
    """The code as the candidate last saved it."""

    assignment = models.OneToOneField(
        Assignment, models.CASCADE, related_name="draft", verbose_name=_("assignment")
    )
    language = models.CharField(_("language"), max_length=20)
    code = models.TextField(_("code"), blank=True)
    version = models.BigIntegerField(_("version"), default=0)
    saved_at = models.DateTimeField(_("saved"), default=timezone.now)

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")

    def __str__(self) -> str:
        return f"{self.assignment} v{self.version}"

    def as_answer(self) -> dict[str, Any]:
        return {
            "task_id": str(self.assignment.task_id),
            "language": self.language,
            "code": self.code,
            "version": self.version,
            "saved_at": self.saved_at,
        }
