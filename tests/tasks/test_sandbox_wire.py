"""What travels: jobs and evaluations as JSON, the frame of an answer, the filter of calls."""

import errno
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sandbox import frames, seccomp
from tasks.sandbox.base import Evaluation, Job, Run, Status
from tasks.sandbox.languages import LANGUAGES
from tasks.sandbox.pipes import Capture
from tasks.sandbox.process import Outcome
from tasks.sandbox.series import judge
from tasks.spec import Limits

JOB = Job("python", "print(1)", "function", "solve", ("[1]", "[]"), Limits(1.5, 64, 8), 3.0, 9.0)
WITH_FILES = Job(
    "python", "", "stdio", "", ("a", "b"), Limits(), files=((("in", "1"),), ()), arguments=("-x",)
)
RUN = Run(Status.OK, 0, None, "out", "err", 3, 0.1, 0.05, 900, False, {"a": [1]}, True)
DONE = Evaluation(True, "", (RUN, Run.never_started()), "bubblewrap", "watchdog")


def through_json(value):
    return json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "value", [JOB, WITH_FILES, DONE, Evaluation(False, "no", (), "bubblewrap", "cgroup-v1")]
)
def test_round_trip(value):
    assert type(value).from_dict(through_json(value.to_dict())) == value


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (JOB, {"kind": "quiz"}),
        (JOB, {"entry": "solve()"}),
        (JOB, {"inputs": ["{}"]}),
        (JOB, {"inputs": ["[1"]}),
        (JOB, {"inputs": [1]}),
        (JOB, {"inputs": ["[NaN]"]}),
        (JOB, {"inputs": "[]"}),
        (JOB, {"language": None}),
        (JOB, {"cpu_budget_s": float("nan")}),
        (JOB, {"wall_budget_s": True}),
        (JOB, {"limits": {"time_s": 1, "memory_mb": 64}}),
        (JOB, {"limits": {"time_s": -1, "memory_mb": 64, "output_kb": 8}}),
        (JOB, {"limits": {"time_s": 1, "memory_mb": "64", "output_kb": 8}}),
        (JOB, {"extra": 1}),
        (WITH_FILES, {"files": [[]]}),
        (WITH_FILES, {"files": [[], [["in"]]]}),
        (WITH_FILES, {"files": [[], [["in", 1]]]}),
        (WITH_FILES, {"files": [[], [["../in", ""]]]}),
        (WITH_FILES, {"files": [[], [["/w/in", ""]]]}),
        (WITH_FILES, {"files": [[], [["a/b/in", ""]]]}),
        (WITH_FILES, {"files": [[], [[".in", ""]]]}),
        (WITH_FILES, {"files": [{}, {}]}),
        (WITH_FILES, {"arguments": [1]}),
        (WITH_FILES, {"arguments": ["a\0"]}),
        (DONE, {"runs": [{}]}),
        (DONE, {"runs": [RUN.to_dict() | {"status": "AC"}]}),
        (DONE, {"runs": [RUN.to_dict() | {"memory_kb": -1}]}),
        (DONE, {"runs": [RUN.to_dict() | {"exit_code": "0"}]}),
        (DONE, {"runs": [RUN.to_dict() | {"has_result": False}]}),
        (DONE, {"enforcement": "none"}),
        (DONE, {"compiled": False}),
        (DONE, {"sandbox": 1}),
    ],
)
def test_what_cannot_have_been_sent_is_refused(value, change):
    with pytest.raises(ValueError, match=r"Job|Run|Evaluation|Limits|Status"):
        type(value).from_dict(value.to_dict() | change)


@pytest.mark.parametrize("data", [None, [], "x", {}])
def test_what_is_not_an_object_is_refused(data):
    with pytest.raises(ValueError):
        Job.from_dict(data)


NONCE = bytes(range(16))


def frame(payload, nonce=NONCE):
    return nonce + len(payload).to_bytes(4, "big") + payload


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_any_json_value_comes_through_its_frame(value):
    assert frames.decode(frame(json.dumps(value).encode()), nonce=NONCE) == value


@given(st.binary(max_size=64))
def test_no_bytes_but_a_frame_are_an_answer(data):
    with pytest.raises(frames.ProtocolError):
        frames.decode(data, nonce=NONCE[::-1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        NONCE,
        frame(b"1")[:-1],
        frame(b"1") + b"\n",
        frame(b"1") * 2,
        frame(b"1", nonce=NONCE[::-1]),
        frame(b""),
        frame(b"{"),
        frame(b"1 2"),
        frame(b"NaN"),
        frame(b"[Infinity]"),
        frame(b"1e999"),
        frame(b'"\xff"'),
        frame(b'"\\ud800"'),
        frame(b'{"\\udfff": 1}'),
        frame(b"[" * 65 + b"]" * 65),
        frame(b"[" * 30000 + b"]" * 30000),
        frame(b"9" * 4301),
    ],
)
def test_what_is_not_exactly_one_frame_is_no_answer(data):
    with pytest.raises(frames.ProtocolError, match=r"^[A-Z].*\.$"):
        frames.decode(data, nonce=NONCE)


def test_deepest_nesting_that_counts():
    text = b"[" * 64 + b"]" * 64
    assert frames.decode(frame(text), nonce=NONCE) == json.loads(text)


ALLOW = 0x7FFF0000
PERM = 0x50000 | errno.EPERM
ARCHES = {"x86_64": 0, "aarch64": 1}


def filtered(machine, number, *arguments, arch=None):
    """What the kernel would answer: an interpreter of the few instructions that are used."""
    data = struct.pack(
        "=IIQ6Q",
        number,
        seccomp.AUDIT_ARCH[machine] if arch is None else arch,
        0,
        *[*arguments, *[0] * 6][:6],
    )
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    accumulator = at = 0
    while True:
        operation, yes, no, operand = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif operation == 0x15:
            at += yes if accumulator == operand else no
        elif operation == 0x45:
            at += yes if accumulator & operand else no
        else:
            assert operation == 0x06
            return operand


@pytest.mark.parametrize("machine", ARCHES)
def test_filter_by_number_and_argument(machine):
    column = ARCHES[machine]
    socket, clone = seccomp.SOCKET[column], seccomp.CLONE[column]
    ioctl, clone3 = seccomp.IOCTL[column], seccomp.CLONE3[column]
    for numbers in seccomp.REFUSED.values():
        if numbers[column] is not None:
            assert filtered(machine, numbers[column]) == PERM
    assert filtered(machine, 0) == ALLOW
    assert filtered(machine, clone3) == 0x50000 | errno.ENOSYS
    assert filtered(machine, clone, 17) == ALLOW
    assert filtered(machine, clone, 0x3D0F00) == ALLOW  # pthread_create
    assert filtered(machine, clone, 0x10000000 | 17) == PERM
    assert filtered(machine, socket, 1, 1) == ALLOW
    assert {filtered(machine, socket, family) for family in (0, 2, 10, 16, 17, 38, 40)} == {
        0x50000 | errno.EAFNOSUPPORT
    }
    assert filtered(machine, ioctl, 0, 0x5401) == ALLOW
    assert filtered(machine, ioctl, 0, 0x5412) == PERM
    assert filtered(machine, ioctl, 0, 0xFFFFFFFF_00005412) == PERM
    assert filtered(machine, 0, arch=0x40000003) == 0x80000000


def test_filter_knows_the_calls_of_the_x32_abi():
    assert filtered("x86_64", 0x40000000 | 1) == 0x50000 | errno.ENOSYS


def outcome(*over, code=0, signal=None, answer=b""):
    out, err, back = Capture(9), Capture(9), Capture(99)
    back.add(answer)
    return Outcome(code, signal, frozenset(over), out, err, back, 0.1, 0.1, 1)


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (outcome(), Status.OK),
        (outcome(code=1), Status.RTE),
        (outcome(Status.OLE, code=None, signal="SIGKILL"), Status.OLE),
        (outcome(Status.OLE, Status.MLE), Status.MLE),
        (outcome(Status.OLE, Status.MLE, Status.TLE), Status.TLE),
        (outcome(code=None, signal="SIGXCPU"), Status.TLE),
    ],
)
def test_precedence_of_what_was_found(found, status):
    assert judge(LANGUAGES["python"], found, nonce=None).status is status


def test_answer_counts_only_in_a_run_that_ended_well():
    good = judge(LANGUAGES["python"], outcome(answer=frame(b"5")), nonce=NONCE)
    late = judge(LANGUAGES["python"], outcome(Status.TLE, answer=frame(b"5")), nonce=NONCE)
    assert (good.result, good.has_result) == (5, True)
    assert (late.result, late.has_result) == (None, False)
