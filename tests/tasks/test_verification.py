"""Proof of a task's tests, with the real sandbox."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tasks.packages import BANK, digest, discover, parse
from tasks.verification import Subject, prove, report, steps
from tasks.verification.limits import Times, check_limit, write_limit
from tasks.verification.shipped import record_proofs, shipped, stamp
from tests.tasks.package_support import make_package, replace, rewrite_tests, write

CLAMP = """import sys
n = int(sys.stdin.read())
if n > 100:
    n = 100
print(2 * n)
"""
SLOW = """n = int(input())
for _ in range({loops}):
    pass
print(2 * n)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "tasks" / "double-it")


def proven(folder: Path):
    subject = Subject.of(parse(folder))
    return report(subject, prove(subject, workers=2))


def test_tests_that_kill_every_mutant_prove_the_task(package: Path) -> None:
    found = proven(package)

    assert (found.faults, found.limits, found.missing) == ([], [], 0)
    assert (found.programs, found.killed, found.born, found.share) == (2, 4, 4, 1.0)
    assert 0 < found.times["python"].right_s < 1
    assert found.inferred_s == 1.0


@pytest.fixture(scope="module")
def clamped(tmp_path_factory) -> tuple[Subject, dict]:
    """A reference that does something else over a hundred, where no hidden test is; its proof."""
    folder = make_package(tmp_path_factory.mktemp("clamped") / "double-it")
    write(folder, "submissions/AC/reference.py", CLAMP)
    subject = Subject.of(parse(folder))
    return subject, prove(subject, workers=2)


def test_tests_that_let_mutants_pass_do_not(clamped) -> None:
    found = report(*clamped)

    alive = [line.partition("line ")[2] for line in found.alive]
    assert alive == [
        "3: if n > 100: -> if n >= 100:)",
        "3: if n > 100: -> if n > 101:)",
        "3: if n > 100: -> if n > 99:)",
        "4: n = 100 -> pass)",
        "4: n = 100 -> n = 101)",
        "4: n = 100 -> n = 99)",
    ]
    assert found.share is not None
    assert 0.5 < found.share < 0.8
    assert [fault.partition(" kill ")[0] for fault in found.faults] == ["The hidden tests"]


def test_a_visible_test_kills_nothing(package: Path) -> None:
    write(package, "submissions/AC/reference.py", "n = int(input())\nprint(2 * n + (n > 100))\n")
    rewrite_tests(lambda tests: tests[1].update(stdin="101\n", expected="203\n"))(package)

    alive = proven(package).alive
    assert len(alive) == 4
    assert all("n > 100" in one for one in alive)


def test_a_mutant_that_is_said_to_be_equivalent_is_not_counted(package: Path, clamped) -> None:
    subject, record = clamped
    before = report(subject, record)
    name = before.alive[0].partition(" ")[0]
    write(package, "submissions/AC/reference.py", CLAMP)
    text = (package / "task.toml").read_text()
    write(package, "task.toml", text + f'\n[mutation]\nequivalent = ["{name}"]\n')
    other = Subject.of(parse(package))
    after = report(other, record)

    assert len(steps(other)) == len(steps(subject)) - 1
    assert (after.killed, after.born) == (before.killed, before.born - 1)
    assert after.alive == before.alive[1:]


def test_a_proof_goes_on_where_it_stopped(package: Path) -> None:
    subject = Subject.of(parse(package))
    whole = prove(subject)
    half = dict(list(whole.items())[:3])

    assert report(subject, half).missing == len(steps(subject)) - 3
    assert report(subject, half).faults == ["The proof is not complete."]
    assert report(subject, json.loads(json.dumps(whole))).faults == []


def test_a_slow_program_is_measured_under_a_raised_limit(package: Path) -> None:
    """It ends after somewhat more than the limit, so the limit is too near."""
    replace("task.toml", "time_s = 1", "time_s = 0.3")(package)
    write(package, "submissions/TLE/spins.py", SLOW.format(loops=10**12))
    write(package, "submissions/TLE/slow.py", SLOW.format(loops=2 * 10**7))
    subject = Subject.of(parse(package))
    record = prove(subject, per_reference=0)
    found = report(subject, record, per_reference=0)

    assert found.faults == []
    assert record["program TLE/spins.py"]["cpu_s"] == pytest.approx(1.2)
    assert 0.3 < record["program TLE/slow.py"]["cpu_s"] <= 1.2
    assert found.times["python"].slow_s == record["program TLE/slow.py"]["cpu_s"]


@pytest.mark.parametrize(
    ("declared", "right", "slow", "inferred", "findings"),
    [
        (2.0, 0.1, None, 1.0, 0),
        (2.0, 0.9, None, 2.0, 0),
        (1.0, 0.9, None, 2.0, 1),
        (2.0, 0.1, 8.0, 1.0, 0),
        (2.0, 0.1, 2.5, 1.0, 1),
        (1.0, 0.1, 1.2, 0.5, 1),
        (1.0, 0.33, 1.05, 0.66, 1),
        (1.0, 0.9, 1.5, None, 2),
        (1.7, 0.9, 1.5, None, 3),
        (2.0, None, 3.0, None, 0),
    ],
)
def test_the_limit_lies_between_right_and_slow(declared, right, slow, inferred, findings) -> None:
    found, sentences = check_limit(declared, {"python": Times(right, slow)})

    assert (found, len(sentences)) == (inferred, findings)
    if found is not None:
        assert 2 * right <= found <= (slow or math.inf) * 2 / 3


def test_the_slowest_language_decides() -> None:
    times = {"python": Times(1.2, 9.0), "javascript": Times(0.1, None)}

    assert check_limit(2.0, times)[0] == 2.5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[limits]\ntime_s = 1\nmemory_mb", "[limits]\ntime_s = 2.5\nmemory_mb"),
        ("[limits]\nmemory_mb", "[limits]\ntime_s = 2.5\nmemory_mb"),
        ("[x]\n", "[x]\n\n[limits]\ntime_s = 2.5\n"),
        ("time_s = 9\n[limits]\n[x]\ntime_s = 1", "time_s = 9\n[limits]\ntime_s = 2.5\n[x]\ntime_s = 1"),
    ],
)  # fmt: skip
def test_a_limit_is_written_and_nothing_else(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "task.toml").write_text(old)
    write_limit(tmp_path, 2.5)

    assert (tmp_path / "task.toml").read_text() == new


def test_the_command_writes_limits_and_says_shares(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace("task.toml", "time_s = 1", "time_s = 4")(package)
    call_command("verify_tasks", package, mutants=40, write_limits=True, verbosity=2)

    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("double-it: 100 % (4/4); python AC 0.")
    assert out[0].endswith("; 4 s -> 1 s")
    assert out[1] == "1 tasks, 2 programs, 0 surprises, 4 of 4 mutants killed (100.0 %)"
    assert parse(package).limits.time_s == 1


def test_the_command_fails_for_a_task_under_the_least_share(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        package, "submissions/AC/reference.py", "n = int(input())\nprint(2 * n if n < 9 else 0)\n"
    )
    with pytest.raises(CommandError, match="2 programs, 1 surprises"):
        call_command("verify_tasks", package, mutants=40)

    assert "if n < 9" in capsys.readouterr().err


def test_what_passed_is_recorded_and_what_failed_taken_out(package: Path, tmp_path: Path) -> None:
    bank, path = package.parent, tmp_path / "verified.json"
    subject = Subject.of(parse(package))
    found = report(subject, prove(subject))
    record_proofs([(parse(package), found)], path=path, bank=bank)

    proof = shipped(path)["double-it"]
    assert proof["checksum"] == digest(package)
    assert (proof["programs"], proof["mutants"], proof["killed"], proof["share"]) == (2, 4, 4, 1.0)
    record_proofs([], path=path, bank=bank)
    assert shipped(path) == {"double-it": proof}
    assert stamp(parse(package), path=path)
    replace("task.toml", 'en = "Double it"', 'en = "Twice"')(package)
    assert stamp(parse(package), path=path)
    assert shipped(path) == {"double-it": proof | {"checksum": digest(package)}}
    replace("task.toml", "time_s = 1", "time_s = 2")(package)
    assert not stamp(parse(package), path=path)
    record_proofs([], failed=[parse(package)], path=path, bank=bank)
    assert shipped(path) == {}


def test_every_task_of_the_bank_ships_with_its_proof() -> None:
    """`manage.py verify_tasks --record` writes it; a changed package needs a new one."""
    proofs = shipped()

    assert {slug: proof["checksum"] for slug, proof in proofs.items()} == {
        folder.name: digest(folder) for folder in discover([BANK])
    }
    shares = [proof["share"] for proof in proofs.values() if proof["mutants"]]
    assert len(shares) >= 31
    assert min(shares) >= 0.8
