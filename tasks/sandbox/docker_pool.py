"""Containers that are started before anybody needs them, so that a check does not wait for one.

Each is handed out once. The pool fills itself in a thread of its own while programs are run here,
and empties itself when nobody has asked for a while.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable

from tasks.sandbox.base import SandboxError
from tasks.sandbox.engine import Container

type Start = Callable[[], Container]


class Pool:
    """Up to `size` containers made by `start`, none kept idle for more than `idle_s` seconds."""

    def __init__(self, start: Start, *, size: int, idle_s: float = 300.0) -> None:
        self._start = start
        self._size = size
        self._idle_s = idle_s
        self._ready: list[Container] = []
        self._changed = threading.Condition()
        self._wanted_until = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None
        atexit.register(self.close)

    def take(self) -> Container:
        """A container of the pool, or else a new one. Raises what `start` raises."""
        with self._changed:
            self._wanted_until = time.monotonic() + self._idle_s
            if self._ready:
                return self._ready.pop(0)
        return self._start()

    def refill(self) -> None:
        """Fill the pool in the background; called when the machine has time for it."""
        with self._changed:
            if self._closed or not self._size:
                return
            self._wanted_until = time.monotonic() + self._idle_s
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep, name="sandbox-pool", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait_full(self, timeout_s: float) -> bool:
        """Whether the pool is full within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._ready) >= self._size, timeout_s)

    def close(self) -> None:
        """Remove every container; idempotent."""
        with self._changed:
            self._closed = True
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            thread.join(30)
        self._empty()
        atexit.unregister(self.close)

    def _keep(self) -> None:
        while True:
            with self._changed:
                left = self._wanted_until - time.monotonic()
                if self._closed or left <= 0:
                    break
                if len(self._ready) >= self._size:
                    self._changed.wait(left)
                    continue
            try:
                container = self._start()
            except SandboxError:  # whoever needs one meets the same error and tells it
                return
            with self._changed:
                self._ready.append(container)
                self._changed.notify_all()
        self._empty()

    def _empty(self) -> None:
        with self._changed:
            ready, self._ready = self._ready, []
        for container in ready:
            with contextlib.suppress(SandboxError):
                container.remove()
