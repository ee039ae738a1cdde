"""The judge's queue: a real Redis, real runner processes, the real sandbox."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown
from redis.exceptions import NoPermissionError
from rq import Queue
from rq.job import Job as RqJob
from rq.results import Result
from rq.serializers import JSONSerializer

from tasks.enums import Verdict
from tasks.judge_queue import RqRunner
from tasks.judging import judge
from tasks.runners import QueueFull
from tasks.sandbox import installed_versions
from tasks.sandbox.base import Cancelled, SandboxError, SandboxUnavailable
from tasks.spec import Limits, TaskSpec, TestCase, Validator
from tests.tasks.runner_support import ECHO, ROOT, SPIN, eventually, outputs, program


class running_redis:
    """A Redis server on a free port, for the length of a `with` block: its URL and its process."""

    def __init__(self, folder):
        self.folder = folder
        self.port = None

    def __enter__(self):
        binary = shutil.which("redis-server")
        if binary is None:
            reason = "redis-server is missing (apt-get install redis-server): "
            if os.environ.get("CI") == "true":
                pytest.fail(reason + "CI must test the judge's queue")
            pytest.skip(reason + "the judge's queue was not tested")
        if self.port is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.server = subprocess.Popen(
            [binary, *options, "--dir", str(self.folder)], stdout=subprocess.DEVNULL
        )
        url = f"redis://127.0.0.1:{self.port}/0"
        eventually(lambda: answers(url), "Redis answers")
        return url, self.server

    def __exit__(self, *exc_info):
        self.server.kill()
        self.server.wait()


def answers(url):
    with Redis.from_url(url) as client:
        try:
            return client.ping()
        except RedisDown:
            return False


@pytest.fixture
def redis_url(tmp_path):
    """The URL of a Redis server of our own, with a queue that nobody serves yet."""
    with running_redis(tmp_path) as (url, _server):
        yield url


@pytest.fixture
def redis(redis_url):
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def unserved(redis_url):
    """A web process's side of a queue that nobody serves."""
    runner = RqRunner(redis_url, patience=60)
    yield runner
    runner.shutdown()


def runner_environment(url, **changes):
    """What a runner host has: the queue, and neither a usable database nor an LLM key."""
    return {
        "PATH": os.environ["PATH"],
        "NEUROGAME_ENV_FILE": "none",
        "RUNNER_REDIS_URL": url,
        "URL_DATABASE": "postgres://nobody:nothing@127.0.0.1:1/none",
        **changes,
    }


def start_host(url, *arguments, **changes):
    return subprocess.Popen(
        [sys.executable, "manage.py", "runner", *arguments],
        cwd=ROOT,
        env=runner_environment(url, **changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop_host(host):
    if host.poll() is None:
        host.send_signal(signal.SIGTERM)
    output, _nothing = host.communicate(timeout=30)
    return output


@pytest.fixture(scope="module")
def host_url(tmp_path_factory):
    """The URL of a queue that a runner host with one slot serves."""
    with running_redis(tmp_path_factory.mktemp("redis")) as (url, _server):
        process = start_host(url, "--slots", "1")
        line = process.stdout.readline()
        assert line.startswith("Serving the judge's queue: "), line + stop_host(process)
        yield url
        stop_host(process)
        assert process.returncode == 0


@pytest.fixture
def served(host_url):
    """A web process's side of that queue."""
    runner = RqRunner(host_url, patience=60)
    yield runner
    runner.shutdown()


def test_the_queue_evaluates(served):
    assert outputs(served.evaluate(ECHO)) == ["cba\n", "zyx\n"]


DOUBLE = TaskSpec(
    slug="double",
    kind="stdio",
    limits=Limits(time_s=2.0),
    tests=(
        TestCase("sample-1", visible=True, stdin="21\n", expected="42\n"),
        TestCase("hidden-1", visible=False, stdin="500\n", expected="1000\n"),
    ),
)


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("print(2 * int(input()))", "AC"),
        ("print(42)", "WA"),
        ("def (", "CE"),
        ("1 / 0", "RTE"),
        ("while True: pass", "TLE"),
        ("print('\\ud800'.encode('utf-8', 'surrogatepass').decode('latin-1'))", "WA"),
    ],
)
def test_a_program_is_judged_over_the_queue(served, source, verdict):
    judgement = judge(DOUBLE, language="python", source=source, evaluate=served.evaluate)
    assert judgement.verdict == verdict
    assert judgement.operator_detail == ""


def test_a_functions_value_comes_back_over_the_queue(served):
    values = [None, True, 1, 1.5, "ё\u2028\U0001f600", [1, {"a": []}], 10**300]
    spec = TaskSpec(
        slug="same",
        kind="function",
        entry="same",
        tests=tuple(
            TestCase(f"t{number}", visible=True, args=[value], expected=value)
            for number, value in enumerate(values)
        ),
    )
    source = "def same(x): return x"
    judgement = judge(spec, language="python", source=source, evaluate=served.evaluate)
    assert [test.verdict.value for test in judgement.tests] == ["AC"] * len(values)


def test_a_validator_judges_over_the_queue_too(served):
    spec = replace(
        DOUBLE,
        checker="validator",
        validator=Validator(
            "python",
            "import sys\nname, answer, _feedback, flag = sys.argv[1:]\n"
            "right = int(sys.stdin.read()) == 2 * int(open(name).read()) == int(open(answer).read())\n"
            "sys.exit(42 if right and flag == '-x' else 43)",
            ("-x",),
        ),
    )
    source = "print(2 * min(int(input()), 100))"
    judgement = judge(spec, language="python", source=source, evaluate=served.evaluate)
    assert [test.verdict.value for test in judgement.tests] == ["AC", "WA"]


def test_what_waits_in_redis_is_json_without_any_expected_output(unserved, redis):
    caller = ThreadPoolExecutor(1)
    judging = caller.submit(
        judge, DOUBLE, language="python", source="print(1)", evaluate=unserved.evaluate
    )
    eventually(lambda: redis.llen("rq:queue:judge") == 1, "the job is in line")
    assert all(key.startswith(b"rq:") for key in redis.scan_iter())
    entry = redis.hgetall(b"rq:job:" + redis.lindex("rq:queue:judge", 0))
    function, _instance, arguments, _keywords = json.loads(zlib.decompress(entry[b"data"]))
    assert function == "tasks.judge_queue.execute"
    assert set(arguments[0]) == {
        "language",
        "source",
        "kind",
        "entry",
        "inputs",
        "limits",
        "cpu_budget_s",
        "wall_budget_s",
        "files",
        "arguments",
    }
    assert (arguments[0]["files"], arguments[0]["arguments"]) == ([], [])
    assert arguments[0]["inputs"] == ["21\n", "500\n"]
    assert b"print" not in entry[b"description"]
    unserved.shutdown()
    assert isinstance(judging.exception(timeout=10), Cancelled)
    caller.shutdown()


@pytest.mark.parametrize(
    ("written", "shown"),
    [(b"docker", "docker"), (b"bubblewrap", "bubblewrap"), (b"<b>", "bubblewrap")],
)
def test_health_shows_the_sandbox_of_a_host(served, host_url, written, shown):
    eventually(lambda: served.status() != "unavailable", "a host serves")
    with Redis.from_url(host_url) as connection:
        connection.set("rq:judge:sandbox", written)
    assert served.status() == shown


def test_a_host_says_which_languages_it_has(host_url):
    def python():
        runner = RqRunner(host_url)
        found = runner.languages()
        runner.shutdown()
        return found and found.get("python")

    eventually(lambda: python() == installed_versions()["python"], "the host has said so")


@pytest.mark.parametrize(
    ("written", "believed"),
    [
        (None, None),
        ("[1", None),
        ('["python"]', None),
        ('{"python": "Python", "cobol": "85"}', {"python": "Python"}),
        (json.dumps({"python": "x" * 5000, "c": 7}), {"python": "x" * 100, "c": ""}),
    ],
)
def test_of_what_a_host_says_only_what_can_be_true_counts(unserved, redis, written, believed):
    if written is not None:
        redis.set("rq:judge:languages", written)
    assert unserved.languages() == believed


def test_a_finished_job_leaves_nothing_of_the_program_in_redis(served, host_url):
    served.evaluate(program("print('needle')"))
    with Redis.from_url(host_url) as redis:
        eventually(lambda: not redis.keys("rq:job:*"), "the job is deleted")
        assert not redis.keys("rq:results:*")


def test_a_future_is_running_once_a_host_has_taken_the_job(served):
    first, second = served.submit(SPIN), served.submit(ECHO)
    eventually(first.running, "the host has taken the first")
    assert not second.running()
    assert second.cancel()
    assert outputs(served.evaluate(ECHO)) == ["cba\n", "zyx\n"]


def test_a_program_on_a_host_is_called_off(served):
    stop = threading.Event()
    endless = program("while True: pass", *["x"] * 4, time_s=10)
    future = served.submit(endless, cancelled=stop.is_set)
    eventually(future.running, "the host has taken it")
    stop.set()
    with pytest.raises(Cancelled):
        future.result(timeout=5)
    started = time.monotonic()
    assert outputs(served.evaluate(ECHO)) == ["cba\n", "zyx\n"]
    assert time.monotonic() - started < 8


def test_a_faulty_question_of_one_caller_does_not_disturb_another(served):
    def faulty():
        raise ZeroDivisionError

    one, other = served.submit(ECHO, cancelled=faulty), served.submit(ECHO)
    assert outputs(one.result(timeout=30)) == outputs(other.result(timeout=30))


def test_many_callers_get_each_their_own_answer(served):
    futures = [served.submit(program(f"print({number})")) for number in range(12)]
    assert [outputs(future.result(timeout=60))[0] for future in futures] == [
        f"{number}\n" for number in range(12)
    ]


def test_a_queue_that_nobody_serves_is_unavailable(redis, redis_url):
    runner = RqRunner(redis_url, patience=0.5)
    with pytest.raises(SandboxUnavailable, match=r"manage\.py runner"):
        runner.evaluate(ECHO)
    assert redis.llen("rq:queue:judge") == 0
    runner.shutdown()


def test_a_redis_that_is_down_is_unavailable(tmp_path):
    with running_redis(tmp_path) as (url, server):
        runner = RqRunner(url, patience=1.0)
        under_way = runner.submit(ECHO)
        server.kill()
        server.wait()
        with pytest.raises(SandboxUnavailable, match="cannot be reached"):
            under_way.result(timeout=30)
        with pytest.raises(SandboxUnavailable, match="cannot be reached"):
            runner.evaluate(ECHO)
        assert (
            judge(DOUBLE, language="python", source="print(1)", evaluate=runner.evaluate).verdict
            == Verdict.IE
        )
        runner.shutdown()


GOOD = {"compiled": True, "compile_output": "", "sandbox": "x", "enforcement": "watchdog"}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "AC",
        {},
        {"evaluation": None},
        {"evaluation": GOOD},
        {"evaluation": GOOD | {"runs": []}},
        {"evaluation": GOOD | {"runs": [{"status": "OK"}]}},
        {"evaluation": GOOD | {"runs": [], "compiled": "yes"}},
        {"unavailable": True, "reason": {"not": "a text"}},
    ],
)
def test_a_hosts_answer_that_is_no_evaluation_is_a_fault_of_ours(unserved, redis, answer):
    future = unserved.submit(ECHO)
    entry = Queue("judge", connection=redis, serializer=JSONSerializer).jobs[0]
    Result.create(entry, Result.Type.SUCCESSFUL, ttl=60, return_value=answer, worker_name="rogue")
    redis.hset(entry.key, "status", "finished")
    with pytest.raises(SandboxError):
        future.result(timeout=30)


@pytest.mark.parametrize("payload", [b"\x80\x04K\x01.", b"[" * 200_000, b"\xff"])
def test_bytes_that_are_no_json_are_not_read_as_anything_else(unserved, redis, payload):
    future = unserved.submit(ECHO)
    entry = Queue("judge", connection=redis, serializer=JSONSerializer).jobs[0]

    class Forged:
        @staticmethod
        def dumps(value):
            return payload

        @staticmethod
        def loads(data):
            raise AssertionError("nobody reads with this")

    entry.serializer = Forged
    Result.create(entry, Result.Type.SUCCESSFUL, ttl=60, return_value=0, worker_name="rogue")
    redis.hset(entry.key, "status", "finished")
    with pytest.raises(SandboxError):
        future.result(timeout=30)


def test_a_host_calls_nothing_but_execute(served, host_url, tmp_path):
    """Whoever can write to the queue can have programs run in the sandbox, and nothing beside it."""
    witness = tmp_path / "witness"
    with Redis.from_url(host_url) as redis:
        queue = Queue("judge", connection=redis, serializer=JSONSerializer)
        entry = queue.enqueue("os.mkdir", str(witness))
        callbacks = queue.enqueue("tasks.judge_queue.execute", {"not": "a job"})
        redis.hset(callbacks.key, "success_callback_name", "os.abort")
        eventually(lambda: RqJob.fetch(entry.id, redis, JSONSerializer).is_failed, "it is refused")
        assert not witness.exists()
        assert outputs(served.evaluate(ECHO)) == ["cba\n", "zyx\n"]
        answer = RqJob.fetch(callbacks.id, redis, JSONSerializer).return_value()
        assert answer["unavailable"] is False


def test_two_slots_serve_two_programs_at_one_time(redis_url, redis):
    process = start_host(redis_url, "--slots", "2")
    runner = RqRunner(redis_url, patience=60)
    futures = [runner.submit(SPIN), runner.submit(SPIN)]
    eventually(lambda: all(future.running() for future in futures), "both are running")
    wait(futures, timeout=60)
    runner.shutdown()
    output = stop_host(process)
    assert process.returncode == 0, output
    assert "Traceback" not in output


def worker_pids(redis):
    return [int(redis.hget(name, "pid")) for name in redis.smembers("rq:workers:judge")]


def acl_of(text):
    """The rules of the user `runner` in a text, without the password."""
    (line,) = re.findall(r"\buser runner on >\S+ ([^\"\n`]+)", text, re.IGNORECASE)
    return line.split()


@pytest.mark.parametrize("source", ["README.md", "docker-compose.yml"])
def test_a_user_that_reaches_only_the_queues_keys_is_enough(redis_url, redis, source):
    """The one of the README and of docker-compose.yml: no session, cache or stream is its."""
    rules = acl_of((ROOT / source).read_text("utf-8").replace("SETUSER runner", "user runner"))
    redis.execute_command("ACL", "SETUSER", "runner", "on", ">secret", *rules)
    url = redis_url.replace("redis://", "redis://runner:secret@")
    host = start_host(url, "--slots", "1")
    runner = RqRunner(url, patience=60)
    try:
        assert outputs(runner.evaluate(ECHO)) == ["cba\n", "zyx\n"]
        assert (runner.waiting(), runner.status()) == (0, "bubblewrap")
        with Redis.from_url(url) as judge_user:
            for command in (
                ("GET", "neurogame:session"),
                ("KEYS", "*"),
                ("SCAN", "0"),
                ("ACL", "LIST"),
            ):
                with pytest.raises(NoPermissionError):
                    judge_user.execute_command(*command)
    finally:
        runner.shutdown()
        assert "NOPERM" not in stop_host(host)


def test_a_redis_that_is_started_anew_loses_no_job(tmp_path):
    """Nothing of the queue survives: the web process has the jobs, the host comes back by itself."""
    redis = running_redis(tmp_path)
    with redis as (url, server):
        host = start_host(url, "--slots", "1")
        assert host.stdout.readline().startswith("Serving")
        runner = RqRunner(url, patience=30)
        try:
            slow = program("import time; time.sleep(1); print('done')")
            futures = [runner.submit(slow), runner.submit(ECHO), runner.submit(ECHO)]
            eventually(futures[0].running, "the first is running")
            server.kill()
            server.wait()
            with redis:
                results = [outputs(future.result(timeout=90)) for future in futures]
                assert results == [["done\n"], ["cba\n", "zyx\n"], ["cba\n", "zyx\n"]]
                assert outputs(runner.evaluate(ECHO)) == ["cba\n", "zyx\n"]
                stop_host(host)
                assert host.returncode == 0
        finally:
            runner.shutdown()
            host.kill()
            host.wait()


def test_the_line_is_bounded(redis_url):
    runner = RqRunner(redis_url, patience=60, line_max=2)
    waiting = [runner.submit(ECHO) for _ in range(2)]
    assert runner.waiting() == 2
    with pytest.raises(QueueFull):
        runner.submit(ECHO).result(timeout=0)
    runner.shutdown()
    assert all(isinstance(one.exception(timeout=5), Cancelled) for one in waiting)


def claimed_to_be(redis, entry, value, field="return_value"):
    """Write a result as a hostile host would, whatever RQ would write."""
    redis.xadd(f"rq:results:{entry.id}", {"type": 1, field: value})
    redis.hset(entry.key, "status", "finished")


def test_an_answer_beyond_what_the_job_can_have_written_is_not_parsed(unserved, redis):
    future = unserved.submit(ECHO)
    entry = Queue("judge", connection=redis, serializer=JSONSerializer).jobs[0]
    claimed_to_be(redis, entry, b"W1tb" * 2_000_000)
    with pytest.raises(SandboxError, match="too large: 8000000 bytes"):
        future.result(timeout=30)


def test_a_reply_that_would_fill_the_memory_is_not_read(unserved, redis):
    """A hundred megabytes beside the answer: the client stops before it takes memory for them."""
    future = unserved.submit(ECHO)
    entry = Queue("judge", connection=redis, serializer=JSONSerializer).jobs[0]
    tracemalloc.start()
    claimed_to_be(redis, entry, b"A" * 100_000_000, field="more")
    tracemalloc.reset_peak()
    with pytest.raises(SandboxError, match="too large"):
        future.result(timeout=30)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    next_one = unserved.submit(ECHO)  # the connection works on
    assert not next_one.done()


def pid_at_work(redis, entry):
    """The process that has taken the job with the key `entry`."""
    name = redis.hget(entry, "worker_name") or b""
    return int(redis.hget(b"rq:worker:" + name, "pid") or 0)


def test_a_host_that_is_killed_loses_no_job(redis_url, redis):
    """Both slots die, one of them in the middle of the program: it runs again, elsewhere."""
    process = start_host(redis_url, "--slots", "2")
    runner = RqRunner(redis_url, patience=2)
    slow = program("import time; time.sleep(4); print('done')", time_s=4)
    try:
        eventually(lambda: len(worker_pids(redis)) == 2, "both slots serve")
        future = runner.submit(slow)
        eventually(future.running, "it is running")
        for pid in worker_pids(redis):
            os.kill(pid, signal.SIGKILL)
        assert outputs(future.result(timeout=60)) == ["done\n"]
    finally:
        runner.shutdown()
        stop_host(process)


def test_a_job_that_is_lost_twice_is_given_up(redis_url, redis):
    """A program that takes its host down with it must not go round for ever."""
    hosts = [start_host(redis_url, "--slots", "1")]
    runner = RqRunner(redis_url, patience=1)
    try:
        eventually(lambda: len(worker_pids(redis)) == 1, "the first host serves")
        future = runner.submit(program("import time; time.sleep(50)", time_s=50))
        eventually(future.running, "it is running")
        hosts.append(start_host(redis_url, "--slots", "1"))
        eventually(lambda: len(worker_pids(redis)) == 2, "the second host serves")
        alive, entry = redis.keys("rq:judge:alive:*")[0], redis.keys("rq:job:*")[0]
        for host in hosts:
            eventually(lambda pid=host.pid: pid_at_work(redis, entry) == pid, "this host has it")
            host.kill()
            host.communicate()
            redis.delete(alive)
        with pytest.raises(SandboxUnavailable, match="twice"):
            future.result(timeout=60)
    finally:
        runner.shutdown()
        for host in hosts:
            stop_host(host)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"RUNNER_REDIS_URL": ""}, [], "Set RUNNER_REDIS_URL"),
        ({"RUNNER_REDIS_URL": "redis://127.0.0.1:1/0"}, ["--slots", "1"], "cannot be reached"),
        ({}, ["--slots", "0"], "--slots must be at least 1"),
        ({"SANDBOX": "docker", "DOCKER_HOST": "tcp://127.0.0.1:1"}, [], "sandbox_doctor"),
    ],
)
def test_a_host_that_cannot_serve_says_why(changes, arguments, message):
    host = start_host("redis://127.0.0.1:1/0", *arguments, **changes)
    output, _nothing = host.communicate(timeout=60)
    assert host.returncode == 1
    assert message in output
    assert "Traceback" not in output
