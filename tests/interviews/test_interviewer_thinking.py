from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interviews.interviewer.thinking import ThinkFilter, without_thinking

FRAGMENTS = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<THINK>",
        "< / think >",
        "<thinking>",
        "</thinking>",
        "<",
        "</",
        "<th",
        "think>",
        ">",
        " ",
        "\n",
        "a",
        "b < c",
        "<b>",
        "ответ",
        "i<n",
        "<think",
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=14).map("".join)


def cut(text: str, points: list[int]) -> list[str]:
    edges = [0, *sorted(point % (len(text) + 1) for point in points), len(text)]
    return [text[left:right] for left, right in pairwise(edges)]


def filtered(pieces: list[str]) -> str:
    thinking = ThinkFilter()
    return "".join(thinking.feed(piece) for piece in pieces) + thinking.close()


@given(TEXTS, st.lists(st.integers(0, 200), max_size=12))
def test_the_visible_text_does_not_depend_on_the_cutting(text, points):
    assert filtered(cut(text, points)) == without_thinking(text)


@given(st.lists(st.text(alphabet="ab <>/thinк\n", max_size=8), max_size=5), st.data())
def test_marked_thoughts_never_show(parts, data):
    text = "seen" + "".join(f"<think>SECRET{part}</think>{part}" for part in parts)
    points = data.draw(st.lists(st.integers(0, len(text)), max_size=20))
    assert "SECRET" not in filtered(cut(text, points))


@given(st.text(alphabet=st.characters(exclude_characters="<"), max_size=60))
def test_a_text_without_tags_passes_unchanged_but_for_its_lead(text):
    assert filtered(list(text)) == text.lstrip()


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("<think>\n\n</think>\n\nHello", "Hello"),
        ("<think>one<think>two</think>three</think>four", "four"),
        ("before<think>never closed", "before"),
        ("before</think>after", "beforeafter"),
        ("if a < b: print(a<b)", "if a < b: print(a<b)"),
        ("<thinker>", "<thinker>"),
        ("<THINKING>x</Thinking>y", "y"),
        ("a <", "a <"),
    ],
)
def test_cases(text, visible):
    assert without_thinking(text) == visible
    assert filtered(list(text)) == visible


def test_nothing_visible_is_held_back_longer_than_a_tag():
    thinking = ThinkFilter()
    assert thinking.feed("abc") == "abc"
    assert thinking.feed(" <thi") == " "
    assert thinking.feed("s is shown") == "<this is shown"


def test_a_continuation_keeps_its_leading_space():
    thinking = ThinkFilter(lead=False)
    assert thinking.feed(" and more") + thinking.close() == " and more"


def test_the_held_back_part_stays_small():
    thinking = ThinkFilter()
    for _ in range(1000):
        thinking.feed("<   /   think   ")
    assert re.fullmatch(r"<\s*/\s*think\s*", thinking._held)
