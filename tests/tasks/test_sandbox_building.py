"""Compiling: once, within limits, and what comes out is only data."""

import pytest

from tasks.sandbox.base import Job, Status
from tasks.sandbox.building import ARTEFACT_MIB
from tasks.sandbox.languages import LANGUAGES, available_languages
from tasks.spec import Limits

from .sandbox_support import MODES, backend, evaluate, run

pytestmark = pytest.mark.skipif(
    not LANGUAGES["c"].available(), reason="Not tested here: compiling, which wants gcc"
)


def ballast(mib):
    """A program with an initialised array, of which it reads one byte."""
    return (
        "#include <stdio.h>\n"
        f"static char ballast[{mib} << 20] = {{42}};\n"
        'int main(void) { int i = 0; scanf("%d", &i); printf("%d\\n", ballast[i]); }\n'
    )


@pytest.mark.parametrize("mode", MODES)
def test_what_was_compiled_is_not_charged_to_the_run(mode):
    done = run(ballast(48), "0", language="c", mode=mode, limits=Limits(memory_mb=32))
    assert (done.status, done.stdout) == (Status.OK, "42\n")
    assert done.memory_kb < 8 * 1024


def test_a_program_that_is_too_large_is_a_compile_error():
    evaluation = evaluate(ballast(ARTEFACT_MIB + 1), language="c")
    assert not evaluation.compiled
    assert evaluation.compile_output == "The compiled program is larger than 64 MiB."


def test_runs_see_what_was_compiled_and_no_compiler():
    source = r"""
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
static void list(const char *name) {
    DIR *directory = opendir(name);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.') printf("%s/%s\n", name, entry->d_name);
}
int main(void) {
    list("/usr/bin");
    list("/w");
    printf("%d %d\n", fopen("solution", "a") == NULL, unlink("solution") != 0);
}
"""
    first, second = evaluate(source, "", "", language="c").runs
    assert first.stdout == second.stdout == "/w/solution\n1 1\n"


def test_a_compiler_sees_no_file_of_the_machine():
    evaluation = evaluate('#include "/etc/shadow"\nint main(void) {}\n', language="c")
    assert not evaluation.compiled
    assert "/etc/shadow: No such file or directory" in evaluation.compile_output


@pytest.mark.parametrize(
    "language", [name for name in ("cpp", "rust") if name in available_languages()]
)
def test_memory_that_is_refused_is_a_memory_limit(language):
    source = {
        "cpp": "#include <vector>\nint main() { std::vector<char> all(1ULL << 40); return all[9]; }",
        "rust": 'fn main() { println!("{}", std::hint::black_box(vec![1u8; 1 << 40]).len()); }',
    }[language]
    done = run(source, language=language)
    assert (done.status, done.exit_signal) == (Status.MLE, "SIGABRT")


def test_a_language_solves_its_own_kinds_alone():
    job = Job("c", "int main(void) {}", "function", "f", ("[]",), Limits())
    with pytest.raises(ValueError, match="function"):
        backend("offered").evaluate(job)
