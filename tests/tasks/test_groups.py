"""Test groups: points, dependencies, and pretests that stop judging."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import evaluation, flow, groups
from tasks.enums import Verdict
from tasks.judgement import GroupResult, Judgement
from tasks.judging import judge
from tasks.models import CodingTask
from tasks.runners import get_runner
from tasks.spec import Limits, TaskSpec, TestCase, TestGroup
from tests.tasks.factories import WRONG, SessionFactory, TaskFactory

SPEC = TaskSpec(
    slug="double",
    kind="stdio",
    limits=Limits(time_s=1.0, memory_mb=256, output_kb=4),
    groups=(
        TestGroup("small", 30),
        TestGroup("large", 70, requires=("small",)),
        TestGroup("samples", 0, pretest=True),
    ),
    tests=(
        TestCase("sample-1", visible=True, stdin="1", expected="2", group="samples"),
        TestCase("small-1", visible=False, stdin="3", expected="6", group="small"),
        TestCase("small-2", visible=False, stdin="4", expected="8", group="small"),
        TestCase("large-1", visible=False, stdin="500", expected="1000", group="large"),
        TestCase("large-2", visible=True, stdin="600", expected="1200", group="large"),
    ),
)
RIGHT = "n = int(input())\nprint(2 * n)"


class Recorder:
    """The real runner, and which inputs each of its jobs had."""

    def __init__(self):
        self.jobs = []

    def __call__(self, job, *, cancelled=None):
        self.jobs.append(job)
        return get_runner().evaluate(job, cancelled=cancelled)

    @property
    def inputs(self):
        return [job.inputs for job in self.jobs]


def check(source, spec=SPEC, **options):
    recorder = Recorder()
    judgement = judge(spec, language="python", source=source, evaluate=recorder, **options)
    assert judgement.verdict != Verdict.IE, judgement.operator_detail
    return judgement, recorder


def points(judgement):
    return {group.name: group.earned for group in judgement.groups}


def test_all_groups_are_judged_in_one_job_a_stage():
    judgement, recorder = check(RIGHT)

    assert recorder.inputs == [("1",), ("3", "4"), ("500", "600")]
    assert (judgement.verdict, judgement.passed, judgement.score) == ("AC", 5, 1.0)
    assert points(judgement) == {"small": 30, "large": 70, "samples": 0}
    assert [test.name for test in judgement.tests] == [test.name for test in SPEC.tests]


def test_a_pretest_that_fails_stops_judging():
    judgement, recorder = check("print(6)")

    assert recorder.inputs == [("1",)]
    assert [str(test.verdict) for test in judgement.tests] == ["WA"] * 5
    assert [test.skipped for test in judgement.tests] == [False, True, True, True, True]
    assert (judgement.verdict, judgement.passed, judgement.score) == ("WA", 0, 0.0)


def test_a_group_is_not_run_when_one_that_it_requires_fails():
    judgement, recorder = check(RIGHT + "\nif n == 4: 1 / 0")

    assert recorder.inputs == [("1",), ("3", "4")]
    assert [str(test.verdict) for test in judgement.tests] == ["AC", "AC", "RTE", "RTE", "RTE"]
    assert (judgement.verdict, judgement.passed, judgement.score) == ("RTE", 2, 0.0)


def test_the_score_is_the_share_of_the_points():
    judgement, _recorder = check(RIGHT + "\nif n == 600: print(1)")

    assert points(judgement) == {"small": 30, "large": 0, "samples": 0}
    assert (judgement.verdict, judgement.passed, judgement.total) == ("WA", 4, 5)
    answer = judgement.as_answer(score=True)
    assert answer["score"] == 0.3
    assert answer["groups"] == [
        {"name": "small", "points": 30, "earned": 30, "passed": True},
        {"name": "large", "points": 70, "earned": 0, "passed": False},
        {"name": "samples", "points": 0, "earned": 0, "passed": True},
    ]


def test_an_answer_shows_a_test_that_was_not_run_as_not_passed():
    judgement, _recorder = check("print(6)")

    hidden, visible = (judgement.as_answer(score=True)["tests"][n] for n in (1, 4))
    assert hidden == {
        "name": "small-1", "visible": False, "verdict": "WA", "passed": False, "duration": None,
    }  # fmt: skip
    assert (visible["skipped"], visible["stdin"], visible["stdout"]) == (True, "600", "")
    assert Judgement.from_record(judgement.as_record()) == judgement


def test_a_record_from_before_there_were_groups_can_be_read():
    record = Judgement(Verdict.AC, total=1).as_record()
    del record["groups"]

    assert Judgement.from_record(record) == Judgement(Verdict.AC, total=1)


def test_a_run_of_the_visible_tests_knows_no_groups():
    judgement, recorder = check("print(6)", tests="visible")

    assert recorder.inputs == [("1", "600")]
    assert judgement.groups == ()
    assert not any(test.skipped for test in judgement.tests)


def test_the_stages_share_one_budget():
    _judgement, recorder = check("for _ in range(10**6): pass\n" + RIGHT)

    left = [job.cpu_budget_s for job in recorder.jobs]
    assert left[0] == 20.0
    assert left[0] > left[1] > left[2] > 15.0


def test_a_program_that_does_not_compile_is_judged_once():
    judgement, recorder = check("def (")

    assert (judgement.verdict, judgement.tests, judgement.total) == ("CE", (), 5)
    assert len(recorder.jobs) == 1


def test_full_points_with_a_failed_test_are_no_full_score():
    judgement = Judgement(
        Verdict.WA, total=2, groups=(GroupResult("all", 10, True), GroupResult("none", 0, False))
    )
    assert judgement.score == 0.99


@pytest.mark.parametrize(
    "broken",
    [
        [TestGroup("a", 1, ("b",)), TestGroup("b", 1, ("a",))],
        [TestGroup("a", 1, ("a",))],
        [TestGroup("a", 1, ("nowhere",))],
        [TestGroup("a", 1, ("b",), pretest=True), TestGroup("b", 1)],
    ],
)
def test_groups_that_wait_for_ever_are_refused(broken):
    with pytest.raises(ValueError, match="requires a group"):
        list(groups.stages(broken))


@given(st.data())
def test_stages_hold_every_group_once_after_what_it_requires(data):
    count = data.draw(st.integers(0, 6))
    made = []
    for number in range(count):
        pretest = data.draw(st.booleans())
        before = [one.name for one in made if one.pretest or not pretest]
        requires = data.draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        made.append(TestGroup(f"g{number}", 1, tuple(requires), pretest))
    shuffled = data.draw(st.permutations(made))

    done: list[TestGroup] = []
    for stage in groups.stages(shuffled):
        assert stage
        for group in stage:
            assert {one.name for one in done} >= set(group.requires)
            assert group.pretest or {one for one in made if one.pretest} <= set(done)
        done += stage
    assert sorted(one.name for one in done) == [one.name for one in made]


@pytest.mark.django_db(transaction=True)
def test_a_check_keeps_points_and_the_ability_reads_them(candidate):
    task = TaskFactory(groups=[{"name": "few", "points": 3, "requires": [], "pretest": False},
                               {"name": "rest", "points": 1, "requires": ["few"], "pretest": False}])  # fmt: skip
    task.tests.filter(visible=True).update(group="few")
    task.tests.filter(visible=False).update(group="rest")
    assignment = flow.next_task(SessionFactory(candidate=candidate)).assignment
    assert assignment.total_points == 4

    attempt = evaluation.start_check(
        assignment, language="python", code=WRONG, submission_id="first"
    )

    assert evaluation.wait(attempt, 30)
    assert evaluation.drain(10)
    assignment.refresh_from_db()
    assert (attempt.verdict, attempt.passed, attempt.total, attempt.score) == ("WA", 2, 3, 0.75)
    assert (assignment.best_points, assignment.best_passed) == (3, 2)
    outcome = flow.outcome_of(assignment)
    assert (outcome.passed, outcome.total) == (3, 4)

    CodingTask.objects.update(groups=[])  # the package lost its groups in the meantime
    again = evaluation.start_check(assignment, language="python", code=WRONG, submission_id="2")
    assert evaluation.wait(again, 30)
    assert evaluation.drain(10)
    assignment.refresh_from_db()
    outcome = flow.outcome_of(assignment)
    assert (outcome.passed, outcome.total) == (2, 3)
