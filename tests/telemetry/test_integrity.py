"""Findings from signals: each rule at its edges, and what must not be one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.integrity import RULES, TITLES, Case, Signal, Submission, examine
from telemetry.integrity.absence import absences
from telemetry.integrity.clock import corrected, skew
from telemetry.integrity.solution import pasted_chars

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LINE = "total = sum(value for value in values if value > 0)\n"
SOLUTION = "def solve(values):\n    " + LINE + "    return total * len(values)\n"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def signal(kind: str, seconds: float = 0, *, task: str = "t1", **payload) -> Signal:
    return Signal(f"{kind}-{seconds}", kind, at(seconds), task, payload)


def paste(seconds: float, text: str = "", **payload) -> Signal:
    return signal(
        "paste", seconds, **{"chars": len(text), "source": "external", "text": text} | payload
    )


def sent(code: str, seconds: float, task: str = "t1", name: str = "s1") -> Submission:
    return Submission(name, task, at(seconds), code, "sum #1")


def found(case: Case, rule: str) -> list:
    return [finding for finding in examine(case).findings if finding.rule == rule]


def test_nothing_is_found_in_nothing():
    outcome = examine(Case())
    assert (dict(outcome.counts), outcome.findings) == ({}, ())


def test_signals_are_counted_by_type_most_frequent_first():
    case = Case((signal("blur", 1), signal("focus", 2), signal("blur", 3), signal("odd", 4)))
    assert list(examine(case).counts.items()) == [("blur", 2), ("focus", 1), ("odd", 1)]


# --- Pastes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chars", "strong"), [(29, None), (30, False), (199, False), (200, True), (5000, True)]
)
def test_an_external_paste_is_strong_from_200_characters(chars, strong):
    (case,) = [Case((paste(5, "x" * min(chars, 4096), chars=chars, place="editor"),))]
    findings = found(case, "external_paste")
    assert [finding.strong for finding in findings] == ([] if strong is None else [strong])
    if findings:
        assert findings[0].evidence == {"chars": chars, "place": "editor"}
        assert findings[0].sources == {"paste-5"}
        assert str(chars) in findings[0].text


def test_an_internal_paste_is_none():
    assert examine(Case((paste(5, "x" * 500, source="internal"),))).findings == ()


def test_text_that_the_page_showed_is_not_from_elsewhere():
    statement = "Read  the\nvalues. " * 20
    case = Case((paste(5, " ".join(statement.split())),), own_texts=(statement,))
    assert examine(case).findings == ()


def test_own_earlier_code_is_not_from_elsewhere_but_later_code_does_not_excuse():
    code = LINE * 6
    assert found(Case((paste(20, code),), (sent(code, 10),)), "external_paste") == []
    assert len(found(Case((paste(5, code),), (sent(code, 10),)), "external_paste")) == 1


def test_fewer_characters_than_the_text_has_are_not_believed():
    assert found(Case((paste(5, "x" * 300, chars=3),)), "external_paste")[0].strong


@pytest.mark.parametrize("chars", [None, "many", True, -5, float("nan"), float("inf"), [], 10**400])
def test_odd_numbers_in_a_payload_count_as_none(chars):
    assert paste(5, "abc", chars=chars).chars == 3


def test_a_paste_without_source_is_looked_at_too():
    bare = Signal("p", "paste", at(1), "", {"chars": 250})
    assert [finding.strong for finding in examine(Case((bare,))).findings] == [True]


# --- Solutions ----------------------------------------------------------------------------------


def test_a_solution_that_was_mostly_pasted_is_strong():
    case = Case((paste(5, SOLUTION),), (sent(SOLUTION + "# mine\n", 60),))
    (finding,) = found(case, "pasted_solution")
    assert finding.strong
    assert finding.sources == {"s1"}
    assert finding.at == at(60)
    assert finding.evidence["share"] > 90
    assert "sum #1" in finding.text


def test_pastes_after_the_submission_or_for_another_task_do_not_count():
    later = Case((paste(90, SOLUTION),), (sent(SOLUTION, 60),))
    other = Case((paste(5, SOLUTION, task="t2"),), (sent(SOLUTION, 60),))
    assert found(later, "pasted_solution") == found(other, "pasted_solution") == []


def test_only_the_first_submission_of_a_task_is_named():
    code = SOLUTION
    case = Case(
        (paste(5, code),),
        (sent(code + "#1", 70, name="later"), sent(code, 60, name="first")),
    )
    (finding,) = found(case, "pasted_solution")
    assert finding.sources == {"first"}


def test_starter_code_counts_for_neither():
    starter = "def solve(values):\n    # write your solution here, please, thank you\n    pass\n"
    case = Case(
        (paste(5, starter + "x = 1\n"),), (sent(starter + "answer = 12345\n", 60),), (starter,)
    )
    assert found(case, "pasted_solution") == []


def test_white_space_does_not_hide_a_pasted_line():
    covered, total = pasted_chars("\t" + LINE, ["   " + LINE.replace(" ", "  ")], [])
    assert covered == total > 0


def test_under_half_is_none():
    mine = "".join(f"value_{i} = compute_something_of_my_own({i})\n" for i in range(8))
    assert found(Case((paste(5, SOLUTION),), (sent(SOLUTION + mine, 60),)), "pasted_solution") == []


# --- Absences -----------------------------------------------------------------------------------


def away(first: float, last: float) -> tuple[Signal, Signal]:
    return signal("visibility_hidden", first), signal("visibility_visible", last)


@pytest.mark.parametrize(
    ("left", "back", "pasted", "chars", "holds"),
    [
        (0, 60, 61, 30, True),
        (0, 59, 60, 30, False),
        (0, 60, 120, 30, True),
        (0, 60, 121, 30, False),
        (0, 90, 95, 29, False),
    ],
)
def test_a_paste_soon_after_a_long_absence_is_strong(left, back, pasted, chars, holds):
    case = Case((*away(left, back), paste(pasted, "y" * chars)))
    findings = found(case, "absence_then_paste")
    assert [finding.strong for finding in findings] == [True] * holds
    if holds:
        assert findings[0].evidence == {
            "away_s": back - left,
            "after_s": pasted - back,
            "chars": chars,
        }
        assert f"paste-{pasted}" in findings[0].sources


def test_leaving_the_window_and_the_tab_is_one_absence():
    kinds = [("blur", 0), ("visibility_hidden", 1), ("visibility_visible", 50), ("focus", 51)]
    (absence,) = absences(Case(tuple(signal(kind, when) for kind, when in kinds)))
    assert absence.length == timedelta(seconds=50)


def test_an_absence_without_an_end_is_none():
    assert absences(Case((signal("blur", 0),))) == []


def test_many_absences_are_weak():
    one = [pair for n in range(9) for pair in away(n * 10, n * 10 + 1)]
    assert found(Case(tuple(one)), "absences") == []
    (finding,) = found(Case((*one, *away(200, 201))), "absences")
    assert not finding.strong
    assert finding.evidence == {"times": 10, "seconds": 10}


def test_five_minutes_away_are_weak():
    (finding,) = found(Case(away(0, 300)), "absences")
    assert finding.evidence == {"times": 1, "seconds": 300}


# --- The rest -----------------------------------------------------------------------------------


def test_developer_tools_are_one_strong_finding():
    case = Case((signal("devtools_suspected", 90), signal("devtools_suspected", 5)))
    (finding,) = found(case, "devtools")
    assert (finding.strong, finding.at, finding.evidence) == (True, at(5), {"times": 2})
    assert len(finding.sources) == 2


@pytest.mark.parametrize(("chars", "count"), [(79, 0), (80, 1)])
def test_copying_the_statement_is_weak(chars, count):
    findings = found(Case((signal("task_text_copy", 3, chars=chars),)), "statement_copied")
    assert [finding.strong for finding in findings] == [False] * count


def test_strong_findings_come_first_then_by_time():
    case = Case(
        (
            signal("task_text_copy", 1, chars=100),
            paste(2, "x" * 50),
            signal("devtools_suspected", 9),
        )
    )
    order = [(finding.rule, finding.strong) for finding in examine(case).findings]
    assert order == [("devtools", True), ("statement_copied", False), ("external_paste", False)]


def test_unknown_types_are_counted_and_not_judged():
    outcome = examine(Case((signal("telepathy", 1, chars=5000),)))
    assert (dict(outcome.counts), outcome.findings) == ({"telepathy": 1}, ())


def test_every_known_type_has_a_title():
    from telemetry.anticheat import TYPES

    assert set(TITLES) == TYPES


payloads = st.dictionaries(
    st.sampled_from(["chars", "text", "source", "place", "away_ms"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just([1]),
)
signals = st.builds(
    Signal,
    id=st.uuids().map(str),
    type=st.sampled_from([*TITLES, "odd"]),
    at=st.integers(0, 5000).map(at),
    task_id=st.sampled_from(["", "t1", "t2"]),
    payload=payloads,
)


@given(st.lists(signals, max_size=20), st.text(max_size=60))
def test_no_payload_breaks_the_rules_and_every_finding_has_its_sources(given_signals, code):
    case = Case(tuple(given_signals), (sent(code, 2500),))
    outcome = examine(case)
    known = {one.id for one in given_signals} | {"s1"}
    assert sum(outcome.counts.values()) == len(given_signals)
    for finding in outcome.findings:
        assert finding.rule in RULES
        assert finding.sources
        assert finding.sources <= known


# --- The clock ----------------------------------------------------------------------------------


def test_a_slow_clock_is_set_right():
    behind = skew([(at(0), at(100)), (at(50), at(145)), (None, at(7))])
    assert behind == timedelta(seconds=95)
    assert corrected(at(50), at(145), behind, not_before=START) == at(145)
    assert corrected(at(0), at(100), behind, not_before=START) == at(95)


def test_a_fast_clock_is_set_right():
    behind = skew([(at(1000), at(10)), (at(1030), at(60))])
    assert corrected(at(1030), at(60), behind, not_before=START) == at(40)


def test_a_time_that_cannot_be_is_the_arrival():
    behind = skew([(at(0), at(1))])
    assert corrected(None, at(9), behind, not_before=START) == at(9)
    assert corrected(at(-500), at(9), behind, not_before=START) == at(9)
    far = datetime.max.replace(tzinfo=UTC)
    assert corrected(far, at(9), timedelta(days=9), not_before=START) == at(9)


def test_no_pair_means_no_skew():
    assert skew([]) == skew([(None, at(5))]) == timedelta()


@given(st.lists(st.tuples(st.integers(-9999, 9999), st.integers(0, 9999)), min_size=1))
def test_no_corrected_time_lies_after_its_arrival(times):
    pairs = [(at(ts), at(received)) for ts, received in times]
    behind = skew(pairs)
    for ts, received in pairs:
        assert corrected(ts, received, behind, not_before=START) <= received
