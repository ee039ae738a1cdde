"""A runner host: serving the judge's queue, through restarts of its Redis."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

from redis import Redis, RedisError
from rq import SimpleWorker, worker_registration
from rq.serializers import JSONSerializer

from tasks.judge_queue import (
    LANGUAGES_KEY,
    QUEUE,
    RESULT_TTL,
    SANDBOX_KEY,
    JudgeJob,
    connect,
)
from tasks.sandbox import get_sandbox, offered_languages

logger = logging.getLogger(__name__)

# Seconds.
WORKER_TTL = 30
RESTART_PAUSE = 1.0


def serve(url: str) -> None:
    """Serve the judge's queue in this process until SIGTERM or SIGINT, one job at a time.

    In this process and thread rather than in a fork for each job: what the sandbox has prepared is
    used again, and the thread that starts a sandbox outlives it. Raises RedisError when Redis
    cannot be reached at the start.
    """
    connection = connect(url)
    _introduce(connection)
    stopping = threading.Event()
    while not stopping.is_set():
        worker = HostWorker(
            [QUEUE],
            connection=connection,
            serializer=JSONSerializer,
            job_class=JudgeJob,
            log_job_description=False,
            default_result_ttl=RESULT_TTL,
            worker_ttl=WORKER_TTL,
        )
        worker.stopping = stopping
        try:
            worker.work(logging_level="WARNING")
        except RedisError as error:
            logger.warning("the judge's queue cannot be reached: %s", error)
        stopping.wait(RESTART_PAUSE)


class HostWorker(SimpleWorker):
    """RQ's worker, which a Redis that was started anew gets to know again."""

    stopping: threading.Event

    def request_stop(self, signum: int, frame: Any) -> None:
        self.stopping.set()
        super().request_stop(signum, frame)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        super().heartbeat(timeout, pipeline)
        if pipeline is None and not self.connection.hexists(self.key, "birth"):
            self.connection.hset(self.key, mapping=self.serialize())
            worker_registration.register(self)
            _introduce(self.connection)


def _introduce(connection: Redis) -> None:
    """Say what programs run in here, and which languages there are."""
    connection.set(SANDBOX_KEY, get_sandbox().name)
    connection.set(LANGUAGES_KEY, json.dumps(dict(offered_languages())))
