"""Running programs that nobody trusts.

`get_sandbox()` gives the backend that the setting `SANDBOX` names, proven to work; everything
else is in `base`. The setting is read here and nowhere else.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from tasks.sandbox.base import (
    Cancelled,
    Check,
    Evaluation,
    Job,
    Run,
    Sandbox,
    SandboxError,
    SandboxUnavailable,
    Status,
)
from tasks.sandbox.bubblewrap import Bubblewrap, probe
from tasks.sandbox.languages import available_languages, installed_versions

CHOICES = ("auto", "bubblewrap", "docker")
_RETRY_S = 30.0


class Probe:
    """What `make` finds: a working sandbox is kept for good, a refusal for half a minute."""

    def __init__(
        self, make: Callable[[], Sandbox], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        self._refusal = ""
        self._refused_at = 0.0
        self._thread: threading.Thread | None = None

    def get(self) -> Sandbox:
        """The sandbox. Raises `SandboxUnavailable`."""
        with self._lock:
            if self._sandbox is not None:
                return self._sandbox
            if self._refusal and self._clock() - self._refused_at < _RETRY_S:
                raise SandboxUnavailable(self._refusal)
            try:
                self._sandbox = self._make()
            except SandboxUnavailable as refusal:
                self._refusal, self._refused_at = str(refusal), self._clock()
                raise
            return self._sandbox

    def status(self, *, patience_s: float) -> str:
        """The sandbox's name or `unavailable`; a probe that takes long goes on in a thread."""
        if self._sandbox is None:
            thread = self._thread
            if thread is None or not thread.is_alive():
                thread = threading.Thread(target=self._try, name="sandbox-probe", daemon=True)
                self._thread = thread
                thread.start()
            thread.join(patience_s)
        return self._sandbox.name if self._sandbox is not None else "unavailable"

    def _try(self) -> None:
        with contextlib.suppress(SandboxUnavailable):
            self.get()


def _proven() -> Sandbox:
    sandbox = Bubblewrap()
    probe(sandbox)
    return sandbox


_probe = Probe(_proven)


def get_sandbox() -> Sandbox:
    """The sandbox of this process, which has run at least one program.

    Raises `SandboxUnavailable` with a sentence for the operator. A refusal is kept for half a
    minute, a working sandbox for good.
    """
    check_choice()
    return _probe.get()


def sandbox_status() -> str:
    """`bubblewrap` or `unavailable`, for the health page: never waits for more than half a second."""
    try:
        check_choice()
    except SandboxUnavailable:
        return "unavailable"
    return _probe.status(patience_s=0.5)


def check_choice() -> None:
    """Raises `SandboxUnavailable` when the setting names a backend that does not exist here."""
    from django.conf import settings

    choice = (getattr(settings, "SANDBOX", "") if settings.configured else "") or "auto"
    if choice == "docker":
        raise SandboxUnavailable(
            "SANDBOX=docker is not available in this version: set SANDBOX=bubblewrap or auto"
        )
    if choice not in CHOICES:
        raise SandboxUnavailable(f"SANDBOX={choice!r} is unknown: set one of {', '.join(CHOICES)}")


__all__ = [
    "Cancelled",
    "Check",
    "Evaluation",
    "Job",
    "Probe",
    "Run",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailable",
    "Status",
    "available_languages",
    "check_choice",
    "get_sandbox",
    "installed_versions",
    "sandbox_status",
]
