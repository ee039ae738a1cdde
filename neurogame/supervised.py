"""Ends this process when the one that started it is gone, so that nothing is left running."""

from __future__ import annotations

import os
import signal
import threading
import time

POLL_SECONDS = 0.5


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def follow_parent() -> None:
    """Send this process SIGTERM when its parent, or a pid in `NEUROGAME_SUPERVISORS`, ends.

    A process that has been handed to init already was left while it was starting.
    """
    parent = os.getppid()
    supervisors = [int(pid) for pid in os.environ.get("NEUROGAME_SUPERVISORS", "").split()]

    def watch() -> None:
        while parent != 1 and os.getppid() == parent and not any(map(_gone, supervisors)):
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="follow-parent", daemon=True).start()
