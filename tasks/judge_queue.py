"""The judge's queue: RQ on the Redis of `RUNNER_REDIS_URL`, between web processes and runner hosts.

What travels is JSON, never pickle: a `Job` there, without any expected output, an `Evaluation` or
the reason for none back. Neither side trusts the other: a runner host calls `execute` and nothing
else that a queue entry may name, and a result counts once `Evaluation.from_dict` has accepted it.
All keys begin with `rq:`, so that an ACL user who reaches only these is enough; the README has it.
The queue outlives neither Redis nor a runner host, and need not: the web process keeps each job until
it has its answer, and puts it in line again, once.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

from redis import Redis, RedisError
from redis.exceptions import InvalidResponse
from rq import Queue, get_current_job
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from rq.worker import Worker

from tasks.bounded_redis import bounded
from tasks.judge_languages import SANDBOX_KEY, announced
from tasks.runners import CancelledCheck, QueueFull, Runner
from tasks.sandbox import get_sandbox
from tasks.sandbox.base import Cancelled, Evaluation, Job, SandboxError, SandboxUnavailable

logger = logging.getLogger(__name__)

QUEUE = "judge"
EXECUTE = "tasks.judge_queue.execute"
# Seconds. An evaluation's own budgets are shorter than its timeout; the timeout is for what hangs.
JOB_TIMEOUT = 120
QUEUE_TTL = 600
RESULT_TTL = 60
GONE = "gone"  # no status of RQ: the job has no entry
POLL = 0.025
RECHECK = 1.0
PATIENCE = 10.0
SIGN_EVERY = 0.5
SIGN_TTL = 5
LANGUAGES_KEPT = 30.0
# Bytes of an answer besides what the programs wrote, and of each run's besides its output; a
# character of output may take six as JSON.
ANSWER_BYTES = 256 * 1024
RUN_BYTES = 4 * 1024
JSON_FACTOR = 6


class RqRunner(Runner):
    """Sends jobs to runner hosts and collects what they found.

    One thread watches over all jobs under way. `patience` is how many seconds of silence it bears:
    from Redis, from a queue that nobody serves, or from the host that took a job. A job that was
    lost with its host is put in line once more; the rest is `SandboxUnavailable`, in bounded time.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE, line_max: int = 1000) -> None:
        self._patience = patience
        self._line_max = line_max
        self._redis = connect(url)
        self._queue = Queue(
            QUEUE, connection=self._redis, serializer=JSONSerializer, job_class=JudgeJob
        )
        self._under_way: dict[str, _UnderWay] = {}
        self._changed = threading.Condition()
        self._watcher: threading.Thread | None = None
        self._ended = False
        self._languages: dict[str, str] | None = None
        self._languages_asked = -LANGUAGES_KEPT

    def submit(self, job: Job, *, cancelled: CancelledCheck | None = None) -> Future[Evaluation]:
        future: Future[Evaluation] = Future()
        key = uuid4().hex
        try:
            if self._queue.count >= self._line_max:
                future.set_exception(QueueFull())
                return future
            self._enqueue(key, job)
        except Exception as error:
            # `shutdown` closes the connection, whoever is using it.
            if self._ended:
                future.set_exception(Cancelled("this process is ending"))
            elif isinstance(error, RedisError):
                future.set_exception(_unreachable(error))
            else:
                raise
            return future
        with self._changed:
            if self._ended:
                future.set_exception(Cancelled("this process is ending"))
                return future
            self._under_way[key] = _UnderWay(key, future, job, cancelled)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="judge", daemon=True)
                self._watcher.start()
            self._changed.notify()
        return future

    def _enqueue(self, key: str, job: Job) -> None:
        self._queue.enqueue_call(
            EXECUTE,
            args=(job.to_dict(),),
            timeout=JOB_TIMEOUT,
            ttl=QUEUE_TTL,
            result_ttl=RESULT_TTL,
            failure_ttl=RESULT_TTL,
            job_id=key,
            description=QUEUE,  # the default would print the program into the log
        )

    def waiting(self) -> int:
        """Jobs in line of all web processes; 0 without an answer, which `submit` will say."""
        try:
            return self._queue.count
        except RedisError:
            return 0

    def status(self) -> str:
        """The sandbox of the runner host that started last, or `unavailable` when none serves.

        Each of them has proven its own.
        """
        if not any(Worker.all(queue=self._queue)):
            return "unavailable"
        said = self._redis.get(SANDBOX_KEY)
        return "docker" if said == b"docker" else "bubblewrap"

    def languages(self) -> dict[str, str] | None:
        """What the runner host that started last has said of itself."""
        now = time.monotonic()
        if now - self._languages_asked >= LANGUAGES_KEPT:
            self._languages_asked = now
            try:
                self._languages = announced(self._redis)
            except RedisError as error:
                logger.warning("the judge's queue cannot be reached: %s", error)
        return self._languages

    def shutdown(self, *, timeout: float = 5.0) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._watcher:
            self._watcher.join(timeout)
        self._redis.close()

    def _watch(self) -> None:
        reached = time.monotonic()
        while True:
            with self._changed:
                if not self._under_way:
                    self._changed.wait_for(lambda: self._under_way or self._ended)
                    reached = time.monotonic()
                under_way = list(self._under_way.values())
                if self._ended:
                    break
            try:
                self._look_at(under_way)
                reached = time.monotonic()
            except RedisError as error:
                if time.monotonic() - reached > self._patience:
                    self._fail(under_way, _unreachable(error))
                    reached = time.monotonic()
            except Exception:
                logger.exception("watching the judge's queue failed")
                self._fail(under_way, SandboxError("watching the judge's queue failed"))
            time.sleep(POLL)
        self._fail(under_way, Cancelled("this process is ending"))

    def _look_at(self, under_way: list[_UnderWay]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for one in under_way:
                pipe.hget(JudgeJob.key_for(one.key), "status")
            statuses = pipe.execute()
        for one, status in zip(under_way, statuses, strict=True):
            self._advance(one, (status or GONE.encode()).decode("ascii", "replace"))

    def _advance(self, one: _UnderWay, status: str) -> None:
        if one.called_off():
            self._call_off(one)
        elif status == "finished":
            self._finish(one)
        elif status == "started":
            self._started(one)
        elif status == "queued":
            self._still_queued(one)
        elif status == GONE and not one.resent:
            self._forgotten(one)
        else:
            self._fail([one], SandboxError(f"the runner host gave the job up: {status}"))

    def _started(self, one: _UnderWay) -> None:
        now = time.monotonic()
        if not one.started:
            one.started, one.heard = True, now
            one.claim()
        if one.due(now):
            if self._redis.exists(_key("alive", one.key)):
                one.heard = now
            elif now - one.heard > self._patience:
                self._lost(one, "the runner host fell silent twice")

    def _still_queued(self, one: _UnderWay) -> None:
        now = time.monotonic()
        if not one.due(now):
            return
        served = any(Worker.all(queue=self._queue))
        in_line = self._queue.get_job_position(one.key) is not None
        if served and in_line:
            one.heard = now
        elif now - one.heard > self._patience:
            if served:
                self._lost(one, "the job was lost on its way to a runner host twice")
            else:
                self._forget(one.key)
                reason = "no runner host serves the judge's queue: start `manage.py runner`"
                self._fail([one], SandboxUnavailable(reason))

    def _lost(self, one: _UnderWay, reason: str) -> None:
        """Put a job in line again, the first time. Should its host live after all, both evaluate
        the same program and one answer counts."""
        if one.resent:
            self._forget(one.key)
            self._fail([one], SandboxUnavailable(reason))
            return
        logger.warning("job %s was lost with its runner host and is put in line again", one.key)
        one.resent, one.heard = True, time.monotonic()
        self._redis.hset(JudgeJob.key_for(one.key), "status", "queued")
        self._queue.push_job_id(one.key)

    def _forgotten(self, one: _UnderWay) -> None:
        """Put a job in line again that Redis knows nothing of any more: it was started anew."""
        logger.warning("job %s was lost with its Redis and is put in line again", one.key)
        one.resent, one.heard = True, time.monotonic()
        self._enqueue(one.key, one.job)

    def _call_off(self, one: _UnderWay) -> None:
        self._redis.set(_key("cancel", one.key), 1, ex=JOB_TIMEOUT)
        if not one.started:
            self._forget(one.key)
        self._fail([one], Cancelled("called off"))

    def _result(self, one: _UnderWay) -> Evaluation:
        """The evaluation of a finished job. Raises `SandboxError` when it is none."""
        try:
            answer = self._answer(one)
            self._forget(one.key)
            if set(answer) == {"unavailable", "reason"}:
                error = SandboxUnavailable if answer["unavailable"] else SandboxError
                raise error(f"on the runner host: {str(answer['reason'])[:2000]}")
            evaluation = Evaluation.from_dict(answer["evaluation"])
        except (SandboxError, RedisError) as error:
            if isinstance(error, InvalidResponse):
                raise SandboxError(f"the runner host's answer is too large: {error}")
            raise
        except Exception as error:  # bytes of another host: anything may be wrong with them
            raise SandboxError(f"the runner host's answer is no evaluation: {error!r}"[:2000])
        if evaluation.compiled and len(evaluation.runs) != one.inputs:
            raise SandboxError(
                f"the runner host answered {len(evaluation.runs)} of {one.inputs} inputs"
            )
        return evaluation

    def _answer(self, one: _UnderWay) -> Any:
        """What a host wrote as the value of a job. Its size is looked at before it is parsed."""
        rows: Any = self._redis.xrevrange(f"rq:results:{one.key}", count=1)
        value = rows[0][1].get(b"return_value", b"bnVsbA==") if rows else b"bnVsbA=="  # null
        if len(value) > 4 * one.answer_max / 3:
            raise SandboxError(f"the runner host's answer is too large: {len(value)} bytes")
        return json.loads(base64.b64decode(value, validate=True))

    def _finish(self, one: _UnderWay) -> None:
        try:
            evaluation = self._result(one)
        except SandboxError as error:
            self._fail([one], error)
            return
        with self._changed:
            self._under_way.pop(one.key, None)
        if one.claim():
            one.future.set_result(evaluation)

    def _fail(self, under_way: list[_UnderWay], error: SandboxError) -> None:
        for one in under_way:
            with self._changed:
                self._under_way.pop(one.key, None)
            if one.claim():
                one.future.set_exception(error)

    def _forget(self, key: str) -> None:
        try:
            RqJob.fetch(key, self._redis, serializer=JSONSerializer).delete()
        except Exception as error:  # it expires by itself
            logger.debug("job %s was not deleted: %r", key, error)


class _UnderWay:
    """A job that the queue has, its future, and when it was `heard` of (monotonic seconds)."""

    def __init__(
        self,
        key: str,
        future: Future[Evaluation],
        job: Job,
        cancelled: CancelledCheck | None,
    ) -> None:
        self.key = key
        self.future = future
        self.job = job
        self.inputs = len(job.inputs)
        output = JSON_FACTOR * 3 * 1024 * job.limits.output_kb  # stdout, stderr, a value
        self.answer_max = ANSWER_BYTES + self.inputs * (RUN_BYTES + output)
        self.cancelled = cancelled
        self.started = False
        self.resent = False
        self.heard = self.asked = time.monotonic()

    def due(self, now: float) -> bool:
        """Whether it is time to ask for more than the status."""
        if now - self.asked < RECHECK:
            return False
        self.asked = now
        return True

    def called_off(self) -> bool:
        try:
            return self.future.cancelled() or bool(self.cancelled and self.cancelled())
        except Exception:  # the caller's fault must not stop the watch over the others' jobs
            logger.exception("asking whether a job is called off failed")
            return False

    def claim(self) -> bool:
        """Mark the future as running, if it is not; False when it needs no outcome any more."""
        if self.future.done():
            return False
        return self.future.running() or self.future.set_running_or_notify_cancel()


class JudgeJob(RqJob):
    """A queue entry that can call `execute` and nothing else, whatever was written into it."""

    @property
    def func(self) -> Callable[..., Any]:
        if self.func_name != EXECUTE:
            raise ValueError(f"the judge's queue does not call {self.func_name!r}")
        return execute

    @property
    def success_callback(self) -> None:
        return None

    failure_callback = stopped_callback = success_callback

    def send_webhooks(self, *args: Any, **kwargs: Any) -> None:
        return None


def execute(data: dict[str, Any]) -> dict[str, Any]:
    """On the runner host: evaluate a job in the sandbox. Returns JSON; a fault of the sandbox is an
    answer too, `{"unavailable", "reason"}`."""
    try:
        job = Job.from_dict(data)
        evaluation = get_sandbox().evaluate(job, cancelled=_signs_of_life())
    except (SandboxError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        return {"unavailable": isinstance(error, SandboxUnavailable), "reason": reason}
    return {"evaluation": evaluation.to_dict()}


def connect(url: str) -> Redis:
    """A client of the judge's Redis that gives up after seconds, not minutes, and before a reply
    that would fill the memory: whoever may write to the queue may write gigabytes."""
    return bounded(url, socket_connect_timeout=3, socket_timeout=5)


def _signs_of_life() -> CancelledCheck | None:
    """What the sandbox asks while it works; asking tells the web process that this host is alive."""
    entry = get_current_job()
    if entry is None:
        return None
    alive, cancel = _key("alive", entry.id), _key("cancel", entry.id)
    told, answer = 0.0, False

    def cancelled() -> bool:
        nonlocal told, answer
        if time.monotonic() - told >= SIGN_EVERY:
            told = time.monotonic()
            try:
                with entry.connection.pipeline(transaction=False) as pipe:
                    pipe.set(alive, 1, ex=SIGN_TTL)
                    pipe.exists(cancel)
                    answer = bool(pipe.execute()[1])
            except RedisError as error:
                logger.warning("the judge's queue cannot be reached: %s", error)
        return answer

    cancelled()
    return cancelled


def _key(what: str, job: str) -> str:
    return f"rq:judge:{what}:{job}"


def _unreachable(error: RedisError) -> SandboxUnavailable:
    return SandboxUnavailable(f"the judge's queue cannot be reached: {error}"[:2000])
