"""What strangers read: links lead somewhere, tests that are named exist, settings are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("*/README.md")),
    ROOT / "tasks" / "sandbox" / "README.md",
]
TESTS = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def document(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)\)", document.read_text("utf-8"))
    local = [target for target in targets if not target.startswith("https://")]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_files_and_tests_that_are_named_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    missing = []
    for name, test in re.findall(r"`((?:tests/\w+/)?test_\w+\.py)(?:::(\w+))?`", text):
        found = [path for known, path in TESTS.items() if known.endswith(name)]
        if not found or (test and not any(f"def {test}(" in path.read_text() for path in found)):
            missing.append(f"{name}::{test}")
    assert missing == []


def test_commands_that_are_named_exist(document: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", document.read_text("utf-8")))
    ours = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    assert named - ours <= {"check", "createsuperuser", "changepassword", "migrate"}


def test_settings_of_the_example_are_in_the_table() -> None:
    example = (ROOT / ".env.server.example").read_text("utf-8")
    before, compose = example.split("# --- docker compose only")
    _only_compose, client = compose.split("# --- The game client")
    names = re.findall(r"^([A-Z][A-Z_]+)=", before + client, re.MULTILINE)
    table = (ROOT / "README.md").read_text("utf-8").split("## Settings")[1].split("\n## ")[0]
    assert [name for name in names if f"`{name}`" not in table] == []


def test_dependencies_have_their_reason() -> None:
    wanted = re.findall(r"^([A-Za-z][\w-]*)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    text = (ROOT / "README.md").read_text("utf-8")
    table = text.split("### Dependencies")[1].split("\n## ")[0]
    named = re.findall(r"[A-Za-z][\w-]*", "".join(re.findall(r"^\|([^|]+)\|", table, re.MULTILINE)))
    assert [name for name in wanted if name not in named] == []


def test_hostile_programs_are_in_the_table() -> None:
    programs = {path.stem for path in (ROOT / "tests" / "tasks" / "hostile").glob("*.py")}
    text = (ROOT / "tasks" / "README.md").read_text("utf-8")
    assert set(re.findall(r"`(a\d\d_\w+)`", text)) == programs


def test_no_path_of_a_machine_is_written_down(document: Path) -> None:
    text = document.read_text("utf-8")
    assert re.findall(r"(?:/home/|/root/|/Users/|/work/)\S*", text) == []
