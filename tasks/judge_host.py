"""A runner host: serving the judge's queue, through restarts of its Redis."""

from __future__ import annotations

import logging
import threading
from typing import Any

from redis import RedisError
from rq import SimpleWorker, worker_registration
from rq.serializers import JSONSerializer

from tasks.judge_languages import announce
from tasks.judge_queue import QUEUE, RESULT_TTL, JudgeJob, connect

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
    announce(connection)
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
            announce(self.connection)
