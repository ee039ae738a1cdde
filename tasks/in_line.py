"""Waiting for the runner: a program in line, its record marked when it runs, and an end to both."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import wait as wait_futures
from typing import Any

from django.db import DatabaseError
from django.db.models import QuerySet

from tasks.judging import Evaluate
from tasks.models import Progress
from tasks.runners import get_runner
from tasks.sandbox.base import Evaluation, Job, SandboxError, SandboxUnavailable

logger = logging.getLogger(__name__)

LINE_POLL_S = 0.02
LINE_POLL_MAX_S = 0.3
# How long a program may wait for its turn, and run with all its tests, before it counts as lost:
# far more than the queue's bound and an evaluation's own budget leave to it.
LINE_MAX_S = 900.0
RUNNING_MAX_S = 300.0


def telling(evaluation: QuerySet[Any]) -> Evaluate:
    """What runs a sandbox job and marks its record as running when it leaves the line."""

    def evaluate(job: Job, cancelled: Callable[[], bool] | None = None) -> Evaluation:
        future = get_runner().submit(job, cancelled=cancelled)
        pause, end = LINE_POLL_S, time.monotonic() + LINE_MAX_S
        while not (future.running() or future.done()):
            if time.monotonic() >= end and future.cancel():
                raise SandboxUnavailable(f"nobody ran the program within {LINE_MAX_S:g} s")
            wait_futures([future], timeout=pause)
            pause = min(1.5 * pause, LINE_POLL_MAX_S)
        try:
            evaluation.filter(progress=Progress.QUEUED).update(progress=Progress.RUNNING)
        except DatabaseError:  # a word for who waits, no reason to give the evaluation up
            logger.exception("an evaluation could not be marked as running")
        wait_futures([future], timeout=RUNNING_MAX_S)
        if not future.done():  # its slot may hang, but the candidate is owed an answer
            raise SandboxError(f"the sandbox gave no answer within {RUNNING_MAX_S:g} s")
        return future.result()

    return evaluate
