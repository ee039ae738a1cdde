"""The judge's queue: RQ on the Redis of `RUNNER_REDIS_URL`, between web processes and runner hosts.

What travels is JSON, never pickle: a `Job` there, without any expected output, an `Evaluation` or
the reason for none back. Neither side trusts the other: a runner host calls `execute` and nothing
else that a queue entry may name, and a result counts once `Evaluation.from_dict` has accepted it.
All keys begin with `rq:`, for the ACL user that reaches only these.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

from redis import Redis, RedisError
from rq import Queue, SimpleWorker, get_current_job
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from rq.worker import Worker

from tasks.runners import CancelledCheck, Runner
from tasks.sandbox import get_sandbox
from tasks.sandbox.base import Cancelled, Evaluation, Job, SandboxError, SandboxUnavailable

logger = logging.getLogger(__name__)

QUEUE = "judge"
EXECUTE = "tasks.judge_queue.execute"
# Seconds. An evaluation's own budgets are shorter than its timeout; the timeout is for what hangs.
JOB_TIMEOUT = 120
QUEUE_TTL = 600
RESULT_TTL = 60
POLL = 0.025
PATIENCE = 10.0
CANCEL_POLL = 0.5


class RqRunner(Runner):
    """Sends jobs to runner hosts and collects what they found.

    One thread watches over all jobs under way. A Redis that cannot be reached, a queue that nobody
    serves (both for `patience` seconds) and a runner host that falls silent are each a
    `SandboxUnavailable`, in bounded time.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._redis = connect(url)
        self._queue = Queue(
            QUEUE, connection=self._redis, serializer=JSONSerializer, job_class=JudgeJob
        )
        self._under_way: dict[str, _UnderWay] = {}
        self._changed = threading.Condition()
        self._watcher: threading.Thread | None = None
        self._ended = False

    def submit(self, job: Job, *, cancelled: CancelledCheck | None = None) -> Future[Evaluation]:
        future: Future[Evaluation] = Future()
        key = uuid4().hex
        try:
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
        except RedisError as error:
            future.set_exception(_unreachable(error))
            return future
        with self._changed:
            if self._ended:
                future.set_exception(SandboxUnavailable("the runner of this process has ended"))
                return future
            self._under_way[key] = _UnderWay(key, future, len(job.inputs), cancelled)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="judge", daemon=True)
                self._watcher.start()
            self._changed.notify()
        return future

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
                self._changed.wait_for(lambda: self._under_way or self._ended)
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
            self._advance(one, (status or b"gone").decode("ascii", "replace"))

    def _advance(self, one: _UnderWay, status: str) -> None:
        if one.called_off():
            self._call_off(one)
        elif status == "finished":
            self._finish(one)
        elif status == "started":
            self._started(one)
        elif status == "queued":
            self._still_queued(one)
        else:
            self._fail([one], SandboxError(f"the runner host gave the job up: {status}"))

    def _started(self, one: _UnderWay) -> None:
        if one.started is None:
            one.started = time.monotonic()
            one.claim()
        elif time.monotonic() - one.started > JOB_TIMEOUT + RESULT_TTL:
            self._fail([one], SandboxUnavailable("the runner host fell silent"))

    def _still_queued(self, one: _UnderWay) -> None:
        if time.monotonic() - one.asked_for_workers < self._patience:
            return
        one.asked_for_workers = time.monotonic()
        if Worker.count(queue=self._queue) == 0:
            self._forget(one.key)
            reason = "no runner host serves the judge's queue: start `manage.py runner`"
            self._fail([one], SandboxUnavailable(reason))

    def _call_off(self, one: _UnderWay) -> None:
        self._redis.set(_cancel_key(one.key), 1, ex=JOB_TIMEOUT)
        if one.started is None:
            self._forget(one.key)
        self._fail([one], Cancelled("called off"))

    def _result(self, one: _UnderWay) -> Evaluation:
        """The evaluation of a finished job. Raises `SandboxError` when it is none."""
        try:
            entry = RqJob.fetch(one.key, self._redis, serializer=JSONSerializer)
            answer: Any = entry.return_value()
            self._forget(one.key)
            if set(answer) == {"unavailable", "reason"}:
                error = SandboxUnavailable if answer["unavailable"] else SandboxError
                raise error(f"on the runner host: {str(answer['reason'])[:2000]}")
            evaluation = Evaluation.from_dict(answer["evaluation"])
        except (SandboxError, RedisError):
            raise
        except Exception as error:  # bytes of another host: anything may be wrong with them
            raise SandboxError(f"the runner host's answer is no evaluation: {error!r}"[:2000])
        if evaluation.compiled and len(evaluation.runs) != one.inputs:
            raise SandboxError(
                f"the runner host answered {len(evaluation.runs)} of {one.inputs} inputs"
            )
        return evaluation

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
    """A job that the queue has, its future, and since when (monotonic seconds)."""

    def __init__(
        self,
        key: str,
        future: Future[Evaluation],
        inputs: int,
        cancelled: CancelledCheck | None,
    ) -> None:
        self.key = key
        self.future = future
        self.inputs = inputs
        self.cancelled = cancelled
        self.started: float | None = None
        self.asked_for_workers = time.monotonic()

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
        evaluation = get_sandbox().evaluate(job, cancelled=_cancelled_check())
    except (SandboxError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        return {"unavailable": isinstance(error, SandboxUnavailable), "reason": reason}
    return {"evaluation": evaluation.to_dict()}


def serve(url: str) -> None:
    """Serve the judge's queue in this process until SIGTERM or SIGINT, one job at a time.

    In this process and thread rather than in a fork for each job: what the sandbox has prepared is
    used again, and the thread that starts a sandbox outlives it. Raises RedisError when Redis
    cannot be reached at the start.
    """
    connection = connect(url)
    connection.ping()
    worker = SimpleWorker(
        [QUEUE],
        connection=connection,
        serializer=JSONSerializer,
        job_class=JudgeJob,
        log_job_description=False,
        default_result_ttl=RESULT_TTL,
    )
    worker.work(logging_level="WARNING")


def connect(url: str) -> Redis:
    """A client of the judge's Redis that gives up after seconds, not minutes."""
    return Redis.from_url(url, socket_connect_timeout=3, socket_timeout=5)


def _cancelled_check() -> CancelledCheck | None:
    entry = get_current_job()
    if entry is None:
        return None
    key, asked, answer = _cancel_key(entry.id), 0.0, False

    def cancelled() -> bool:
        nonlocal asked, answer
        if time.monotonic() - asked >= CANCEL_POLL:
            asked = time.monotonic()
            try:
                answer = bool(entry.connection.exists(key))
            except RedisError:
                answer = False
        return answer

    return cancelled


def _cancel_key(key: str) -> str:
    return f"rq:judge:cancel:{key}"


def _unreachable(error: RedisError) -> SandboxUnavailable:
    return SandboxUnavailable(f"the judge's queue cannot be reached: {error}"[:2000])
