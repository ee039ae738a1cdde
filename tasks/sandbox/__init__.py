"""Running programs that nobody trusts.

`get_sandbox()` gives the backend that the setting `SANDBOX` names, proven to work; everything
else is in `base`. The setting is read here and nowhere else.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Mapping

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
from tasks.sandbox.bubblewrap import Bubblewrap
from tasks.sandbox.docker import Docker
from tasks.sandbox.languages import installed_versions

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
            self._refusal = ""
            return self._sandbox

    def status(self, *, patience_s: float) -> str:
        """The sandbox's name or `unavailable`; a probe that takes long goes on in a thread."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=self._try, name="sandbox-probe", daemon=True)
            self._thread = thread
            thread.start()
        thread.join(patience_s)
        if self._sandbox is None or self._refusal:
            return "unavailable"
        return self._sandbox.name

    @property
    def refusal(self) -> str:
        """Why there is no sandbox, as far as it is known; nothing when there is one."""
        return self._refusal

    def _try(self) -> None:
        with contextlib.suppress(SandboxUnavailable):
            self._refusal = self.get().trouble()


def make_sandbox(choice: str) -> Sandbox:
    """The backend `bubblewrap` or `docker` as the settings want it, not proven yet."""
    from django.conf import settings

    if choice == "bubblewrap":
        return Bubblewrap()
    return Docker(
        image=settings.SANDBOX_IMAGE,
        runtime=settings.SANDBOX_DOCKER_RUNTIME,
        pool=settings.SANDBOX_POOL,
    )


def _proven(choice: str) -> Sandbox:
    """What the choice means here, after its canaries; `auto` takes bubblewrap where that works."""
    from tasks.sandbox.canaries import prove

    if choice == "auto":
        try:
            return _proven("bubblewrap")
        except SandboxUnavailable as refusal:
            try:
                return _proven("docker")
            except SandboxUnavailable:
                raise refusal
    sandbox = make_sandbox(choice)
    try:
        prove(sandbox)
    except BaseException:
        sandbox.close()
        raise
    return sandbox


@functools.cache
def _probe(choice: str) -> Probe:
    return Probe(functools.partial(_proven, choice))


def get_sandbox() -> Sandbox:
    """The sandbox of this process, in which every canary has failed to get out.

    Raises `SandboxUnavailable` with a sentence for the operator. A refusal is kept for half a
    minute, a working sandbox for good.
    """
    return _probe(chosen()).get()


def sandbox_status() -> str:
    """`bubblewrap`, `docker` or `unavailable`: never waits for more than half a second."""
    try:
        return _probe(chosen()).status(patience_s=0.5)
    except SandboxUnavailable:
        return "unavailable"


def sandbox_refusal() -> str:
    """Why `sandbox_status` says `unavailable`, in the words of the last try; else nothing."""
    try:
        return _probe(chosen()).refusal
    except SandboxUnavailable as refusal:
        return str(refusal)


def offered_languages() -> Mapping[str, str]:
    """The languages of the chosen sandbox, with their versions. Raises `SandboxError`."""
    return get_sandbox().languages()


def chosen() -> str:
    """The setting `SANDBOX`. Raises `SandboxUnavailable` when there is no such backend."""
    from django.conf import settings

    choice = (getattr(settings, "SANDBOX", "") if settings.configured else "") or "auto"
    if choice not in CHOICES:
        raise SandboxUnavailable(f"SANDBOX={choice!r} is unknown: set one of {', '.join(CHOICES)}")
    return choice


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
    "chosen",
    "get_sandbox",
    "installed_versions",
    "make_sandbox",
    "offered_languages",
    "sandbox_refusal",
    "sandbox_status",
]
