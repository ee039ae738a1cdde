"""A valid package to break: its files, and small changes to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

MANIFEST = """
slug = "double-it"
track = "algorithms"
kind = "stdio"
difficulty = -1.5
discrimination = 1.0
time_limit_s = 600
languages = ["python"]

[title]
en = "Double it"
ru = "Удвойте"

[limits]
time_s = 1
memory_mb = 128
output_kb = 16

[[hints]]
en = "One"
ru = "Раз"

[[hints]]
en = "Two"
ru = "Два"

[[hints]]
en = "Three"
ru = "Три"
"""
RIGHT = "print(2 * int(input()))\n"
WRONG = "print(2 + int(input()))\n"
TESTS = [
    {"name": "sample-1", "visible": True, "stdin": "2\n", "expected": "4\n"},
    {"name": "sample-2", "visible": True, "stdin": "2\n", "expected": "4\n"},
    *(
        {"name": f"hidden-{n}", "visible": False, "stdin": f"{n}\n", "expected": f"{2 * n}\n"}
        for n in range(3, 9)
    ),
]
FUNCTION_TESTS = [
    {**{key: test[key] for key in ("name", "visible")}, "args": [n], "expected": [n, None]}
    for n, test in enumerate(TESTS)
]


VALIDATOR = "import sys\nsys.exit(42 if sys.stdin.read() == open(sys.argv[2]).read() else 43)\n"
GROUPS = """
[[groups]]
name = "samples"
points = 0
pretest = true

[[groups]]
name = "all"
points = 100
requires = ["samples"]
"""


def make_package(folder: Path) -> Path:
    write(folder, "task.toml", MANIFEST.replace("double-it", folder.name))
    write(folder, "statement.en.md", "Print the number doubled.\n")
    write(folder, "statement.ru.md", "Выведите удвоенное число.\n")
    write(folder, "starter/python.py", "number = int(input())\n")
    write(folder, "tests.json", json.dumps(TESTS))
    write(folder, "submissions/AC/reference.py", RIGHT)
    write(folder, "submissions/WA/adds_two.py", WRONG)
    return folder


def write(folder: Path, name: str, content: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        write(folder, name, text.replace(old, new))

    return change


def put(name: str, content: str | bytes) -> Callable[[Path], None]:
    return lambda folder: write(folder, name, content)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def rewrite_tests(change: Callable[[list[dict]], object]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        tests = json.loads((folder / "tests.json").read_text())
        change(tests)
        write(folder, "tests.json", json.dumps(tests))

    return rewrite


def field(index: int, key: str, value: object) -> Callable[[Path], None]:
    return rewrite_tests(lambda tests: tests[index].__setitem__(key, value))


def manifest(old: str, new: str) -> Callable[[Path], None]:
    return replace("task.toml", old, new)


def as_function(folder: Path) -> Path:
    replace("task.toml", 'kind = "stdio"', 'kind = "function"\nentry = "pair"')(folder)
    write(folder, "tests.json", json.dumps(FUNCTION_TESTS))
    write(folder, "submissions/AC/reference.py", "def pair(n):\n    return [n, None]\n")
    write(folder, "submissions/WA/adds_two.py", "def pair(n):\n    return [n, 0]\n")
    return folder


def grouped(folder: Path) -> Path:
    """With a pretest of the visible tests, and a validator."""
    manifest('[title]', 'credits = "Ann \\u007f \\"A\\""\nchecker = "validator"\n\n[validator]\narguments = ["-x", "a b"]\n\n[title]')(folder)  # fmt: skip
    manifest('[[hints]]\nen = "One"', f'{GROUPS}\n[[hints]]\nen = "One"')(folder)
    put("validator.py", VALIDATOR)(folder)
    rewrite_tests(
        lambda tests: [t.update(group="samples" if t["visible"] else "all") for t in tests]
    )(folder)
    return folder
