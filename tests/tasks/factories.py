"""Tasks, sessions and assignments for the tests."""

from __future__ import annotations

from datetime import timedelta

import factory
from django.utils import timezone

from interviews.models import InterviewSession
from tasks.models import CodingTask, TaskProgram, TaskTest, TaskTranslation


class SessionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = InterviewSession

    track = "algorithms"
    level = "middle"
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))


class TaskFactory(factory.django.DjangoModelFactory):
    """A task that asks for the sum of two numbers: two visible tests, one hidden."""

    class Meta:
        model = CodingTask
        skip_postgeneration_save = True

    slug = factory.Sequence(lambda n: f"sum-{n}")
    track = "algorithms"
    kind = "stdio"
    difficulty = 0.0
    languages = ["python", "javascript"]
    starter = {"python": "# write here\n"}
    cpu_s = 1.0

    @factory.post_generation
    def contents(self, create, extracted, **kwargs):
        function = self.kind == "function"
        for order, (a, b) in enumerate([(1, 2), (2, 2), (40, 2)]):
            TaskTest.objects.create(
                task=self,
                order=order,
                name=f"hidden-{order}" if order == 2 else f"sample-{order + 1}",
                visible=order < 2,
                stdin="" if function else f"{a} {b}\n",
                args=[a, b] if function else None,
                expected=a + b if function else f"{a + b}\n",
            )
        for locale, title in (("en", "Sum"), ("ru", "Сумма")):
            TaskTranslation.objects.create(
                task=self,
                locale=locale,
                title=title,
                statement="Add **two** numbers.",
                hints=["one", "two", "three"],
            )


RIGHT = "a, b = map(int, input().split())\nprint(a + b)\n"
WRONG = "a, b = map(int, input().split())\nprint(min(a + b, 10))\n"


def provable_task() -> CodingTask:
    """An inactive task with a right and a wrong program: a proof of five steps, which passes."""
    row = TaskFactory(active=False)
    for verdict, source in (("AC", RIGHT), ("WA", WRONG)):
        TaskProgram.objects.create(
            task=row, role="submission", name=f"{verdict}/one.py", language="python",
            expected=verdict, source=source,
        )  # fmt: skip
    return row
