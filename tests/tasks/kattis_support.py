"""Small Kattis packages to load and to break."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.tasks.package_support import write

LEGACY = """
name: Double it
author: Ann Author
source: Club round 3
license: cc by-sa
limits:
  memory: 256
  time_limit: 1
"""
DRAFT = """
problem_format_version: 2023-07-draft
name:
  en: Sum pair
  ru: Пара с суммой
credits:
  authors: [Ann Author]
license: cc by-sa
limits:
  time_limit: 1.5
constants:
  max_sum: 1000
"""
STATEMENT_TEX = r"""\problemname{Double \emph{it}}
Print $2 \cdot n$. % not more
\section*{Input}
One number $n$ with $-10^9 \leq n \leq 10^9$.
\illustration{0.3}{cat.png}{A cat}
"""
RIGHT = "print(2 * int(input()))\n"
WRONG = "print(abs(2 * int(input())))\n"
CRASHES = "n = int(input())\nprint(2 * n if n < 9 else 1 / 0)\n"
SLOW = "n = int(input())\nwhile n > 9:\n    pass\nprint(2 * n)\n"
VALIDATOR = """
import sys
with open(sys.argv[1]) as file:
    total = int(file.read())
flags = sys.argv[4:]
try:
    first, second = map(int, sys.stdin.read().split())
except ValueError:
    sys.exit(43)
sys.exit(42 if first + second == total <= {{max_sum}} and flags == ["strict"] else 43)
"""


def make_legacy(folder: Path) -> Path:
    write(folder, "problem.yaml", LEGACY)
    write(folder, "problem_statement/problem.en.tex", STATEMENT_TEX)
    write(folder, "data/sample/1.in", "2\n")
    write(folder, "data/sample/1.ans", "4\n")
    for number, name in ((-3, "01-negative"), (10, "02-large"), (0, "03-zero")):
        write(folder, f"data/secret/{name}.in", f"{number}\n")
        write(folder, f"data/secret/{name}.ans", f"{2 * number}\n")
    write(folder, "submissions/accepted/ann.py", RIGHT)
    write(folder, "submissions/wrong_answer/no_sign.py", WRONG)
    write(folder, "submissions/run_time_error/crashes.py", CRASHES)
    write(folder, "submissions/time_limit_exceeded/slow.py", SLOW)
    write(folder, "submissions/accepted/ann.pas", "program ann;")
    return folder


def make_draft(folder: Path) -> Path:
    write(folder, "problem.yaml", DRAFT)
    write(folder, "statement/problem.en.md", "Two numbers with a sum to {{max_sum}}.\n")
    write(folder, "statement/problem.ru.md", "Два числа с данной суммой до {{max_sum}}.\n")
    write(folder, "data/test_group.yaml", "output_validator_args: [strict]\n")
    write(folder, "data/sample/1.in", "5\n")
    write(folder, "data/sample/1.ans", "2 3\n")
    for number in (7, -1, 0):
        write(folder, f"data/secret/{number}.in", f"{number}\n")
        write(folder, f"data/secret/{number}.ans", f"0 {number}\n")
    write(folder, "output_validator/validate.py", VALIDATOR)
    write(folder, "submissions/accepted/any.py", "print(99, int(input()) - 99)\n")
    write(folder, "submissions/others/crashes.py", "print(1, int(input()) // 0)\n")
    write(folder, "submissions/rejected/prints_one.py", "print(1, 4)\n")
    write(folder, "submissions/brute_force/either.py", "print(input())\n")
    write(
        folder,
        "submissions/submissions.yaml",
        "others/*.py:\n  permitted: [RTE]\n  required: [RTE]\n"
        "'{rejected,other}/prints*':\n  permitted: [AC, WA]\n  required: [WA]\n",
    )
    return folder


def make_scoring(folder: Path, *, legacy: bool) -> Path:
    """`make_legacy` with two groups, worth 30 and 70."""
    make_legacy(folder)
    (folder / "data/secret/01-negative.in").rename(write_dir(folder, "data/secret/g1") / "a.in")
    (folder / "data/secret/01-negative.ans").rename(folder / "data/secret/g1/a.ans")
    for name in ("02-large", "03-zero"):
        for suffix in ("in", "ans"):
            target = write_dir(folder, "data/secret/G_2") / f"{name}.{suffix}"
            (folder / f"data/secret/{name}.{suffix}").rename(target)
    head = "type: scoring\n" if legacy else "problem_format_version: 2023-07-draft\ntype: scoring\n"
    write(folder, "problem.yaml", head + LEGACY)
    for name, points in (("g1", 30), ("G_2", 70)):
        if legacy:
            settings = f"grader_flags: min\naccept_score: {points}\nrange: 0 {points}\n"
            write(folder, f"data/secret/{name}/testdata.yaml", settings)
        else:
            requires = ", require_pass: [sample, secret/g1]" if points == 70 else ""
            settings = f"scoring: {{score: {points}, aggregation: min{requires}}}\n"
            write(folder, f"data/secret/{name}/test_group.yaml", settings)
    if not legacy:
        (folder / "problem_statement").rename(folder / "statement")
    return folder


def write_dir(folder: Path, name: str) -> Path:
    (folder / name).mkdir(parents=True, exist_ok=True)
    return folder / name


def zipped(folder: Path, archive: Path, *, under: str = "") -> Path:
    """An archive of the files of a folder, in the folder `under` of the archive."""
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            target.write(path, f"{under}{path.relative_to(folder)}")
    return archive
