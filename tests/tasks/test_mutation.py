"""Mutants: what is changed, what is left alone, and that the choice stays the same."""

from __future__ import annotations

import ast

import pytest

from tasks.mutation import mutants
from tasks.packages import discover, parse


def lines(language, source):
    """Each mutant as (line, the changed line after the change)."""
    return [(one.line, one.new) for one in mutants(language, source, limit=1000)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["x = a <= b", "x = a > b"]),
        ("x = a == b", ["x = a != b"]),
        ("x = a in b", ["x = a not in b"]),
        ("x = a + b", ["x = a - b"]),
        ("x = a // b", ["x = a * b"]),
        ("x = a and b", ["x = a or b"]),
        ("x = not a", ["x = a"]),
        ("x = -a", ["x = a"]),
        ("x = 7", ["x = 8", "x = 6"]),
        ("x = True", ["x = False"]),
        ("x = f(a, b)", ["x = f(b, a)"]),
        ("x = max(a, b)", []),
        ("x = f(*a, b)", []),
        ("x = a if b else c", ["x = c if b else a"]),
        ("x = [a for a in b if c]", ["x = [a for a in b]"]),
        ("x += y", ["x -= y", "pass"]),
        ("x = a\nx = b", ["pass", "pass"]),
        ("f(x)", ["pass"]),
        ("import a, b", []),
        ("'a text'", []),
        ("import sys\nsys.setrecursionlimit(10000)", []),
        ("x: list[int] = y", []),
        ("if a:\n    x = b", ["if not a:"]),
        ("if a < b:\n    x = b", ["if not a < b:", "if a <= b:", "if a > b:"]),
        ("while not a:\n    break", ["while a:", "continue"]),
        ("for a in b:\n    continue", ["break", "pass"]),
        ("def f(a):\n    return a", ["return None"]),
        ("def f(a):\n    return None", []),
        ("if __name__ == '__main__':\n    f()", ["pass"]),
    ],
)
def test_a_python_program_is_changed_in_one_place(source, expected):
    assert [new for _line, new in lines("python", source)] == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("const x = a < b;", ["const x = a <= b;", "const x = a > b;"]),
        ("const x = a === b;", ["const x = a !== b;"]),
        ("const x = a + -b;", ["const x = a - -b;", "const x = a + b;"]),
        ("const x = a / b / c;", ["const x = a * b / c;", "const x = a / b * c;"]),
        ("const x = a && b;", ["const x = a || b;"]),
        ("const x = !a;", ["const x = a;"]),
        ("const x = 0;", ["const x = 1;", "const x = (-1);"]),
        ("const x = 5n;", ["const x = 6n;", "const x = 4n;"]),
        ("const x = a.true ? true : y;", ["const x = a.true ? false : y;"]),
        ("const x = f(a, g(b, c), d);", ["const x = f(g(b, c), a, d);", "const x = f(a, g(c, b), d);"]),
        ("const x = Math.max(a, b);", []),
        ("const f = (a, b) => a;", []),
        ("function f(a, b) { return a; }", ["function f(a, b) { return null; }"]),
        ("class A { f(a, b) { g(); } }", ["class A { f(a, b) { ; } }"]),
        ("const x = s.split(/[/<>]+/g);", []),
        ("const x = 'a < b' + \"1\";", ["const x = 'a < b' - \"1\";"]),
        ("const x = `a < ${b < `${c}` ? 1 : 2}`;", []),
        ("// a < b\n/* 1 + 1 */", []),
        ("x = y;", [";"]),
        ("if (a) f(b);", ["if (!(a)) f(b);", "if (a) ;"]),
        ("if (a === b) f(c);", ["if (a !== b) f(c);", "if (a === b) ;"]),
        ("while (true) { break; }", ["while (false) { break; }", "while (true) { continue; }", "while (true) { ; }"]),
        ("for (let i = a; i < b; i++) f(i);", [
            "for (let i = a; i <= b; i++) f(i);", "for (let i = a; i > b; i++) f(i);",
            "for (let i = a; i < b; i--) f(i);", "for (let i = a; i < b; i++) ;",
        ]),
        ("const o = { a: b, c };", []),
    ],
)  # fmt: skip
def test_a_javascript_program_is_changed_in_one_place(source, expected):
    assert [new for _line, new in lines("javascript", source)] == expected


@pytest.mark.parametrize(
    ("language", "source"),
    [("python", "def ("), ("javascript", "const x = `"), ("javascript", "\\"), ("cobol", "x = 1")],
)
def test_what_cannot_be_read_has_no_mutants(language, source):
    assert mutants(language, source) == []


def test_names_and_choice_stay_when_another_line_changes():
    source = "\n".join(f"x{n} = f(a{n} < b{n}, {n})" for n in range(40))
    chosen = mutants("python", source, limit=30)
    assert len(chosen) == 30
    assert mutants("python", source, limit=30) == chosen
    assert len({one.id for one in chosen}) == len({one.source for one in chosen}) == 30
    longer = mutants("python", "import sys\n" + source, limit=30)
    assert [(one.id, one.line - 1) for one in longer] == [(one.id, one.line) for one in chosen]


def test_mutants_of_the_banks_references_are_programs():
    for folder in list(discover())[::5]:
        package = parse(folder)
        for submission in package.submissions:
            if submission.expected != "AC":
                continue
            made = mutants(submission.language, submission.source)
            assert 4 <= len(made) <= 40, submission.path
            assert len({one.id for one in made}) == len(made)
            if submission.language == "python":
                for one in made:
                    ast.parse(one.source)
