"""The sandbox that comes with the product: bubblewrap on this machine."""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tasks.sandbox import cgroups, launch, process, rootfs, seccomp
from tasks.sandbox.base import Check, Evaluation, Job, SandboxError, SandboxUnavailable
from tasks.sandbox.forkserver import ForkServer
from tasks.sandbox.languages import LANGUAGES, SCRIPTS, installed_versions
from tasks.sandbox.meters import Meter, Watchdog
from tasks.sandbox.rootfs import RootFilesystem
from tasks.sandbox.roots import Roots
from tasks.sandbox.series import Series

_SERVER_MEMORY_MB = 512  # of the checks; each run sets its own


class Bubblewrap:
    """Runs programs in namespaces of their own, limited by control groups or by a watchdog.

    `watchdog=True` does without control groups even where they are writable; `bases` are the
    directories that may hold the copy of the runtimes. Evaluations may run in any number of
    threads at once; each has its own namespaces, limits and temporary files.
    """

    name = "bubblewrap"

    def __init__(self, *, watchdog: bool = False, bases: tuple[str, ...] = rootfs.BASES) -> None:
        self._watchdog = watchdog
        self._roots = Roots(bases)
        self._lock = threading.Lock()
        self._hierarchies: list[cgroups.Hierarchy | None] = []
        self._own = threading.local()

    @property
    def enforcement(self) -> str:
        """`cgroup-v1`, `cgroup-v2` or `watchdog`: who holds the limits."""
        hierarchy = self._hierarchy()
        return hierarchy.enforcement if hierarchy else Watchdog.enforcement

    @property
    def root(self) -> Path:
        """The root file system that scripts run in, as this machine sees it."""
        return self._root(SCRIPTS).root

    def languages(self) -> Mapping[str, str]:
        return installed_versions()

    def evaluate(self, job: Job, *, cancelled: Callable[[], bool] | None = None) -> Evaluation:
        """See `Sandbox.evaluate`. Raises `ValueError` for a language that is not available."""
        language = LANGUAGES.get(job.language)
        if language is None or not language.available():
            raise ValueError(f"the language {job.language!r} is not available in this sandbox")
        if job.kind not in language.kinds:
            raise ValueError(f"the language {job.language!r} does not solve tasks of {job.kind!r}")

        with Series(self, language, job, cancelled) as series:
            compiled, output = series.compile()
            runs = series.runs() if compiled else ()
        return Evaluation(compiled, output, runs, self.name, self.enforcement)

    def doctor(self) -> list[Check]:
        from tasks.sandbox import doctor

        return doctor.examine(self)

    def trouble(self) -> str:
        return ""

    def close(self) -> None:
        """The copies of the runtimes are shared and stay; what else there is ends by `release`."""

    def _root(self, name: str) -> RootFilesystem:
        if sys.platform != "linux":
            raise SandboxUnavailable(
                f"bubblewrap needs Linux, and this is {platform.system()}: run the "
                "server in a Linux machine or container"
            )
        if not seccomp.supported():
            raise SandboxUnavailable(
                f"the sandbox has no system call filter for {platform.machine()}: "
                "run it on x86_64 or aarch64 Linux"
            )
        return self._roots.get(name)

    def _hierarchy(self) -> cgroups.Hierarchy | None:
        with self._lock:
            if not self._hierarchies:
                self._hierarchies.append(None if self._watchdog else cgroups.find())
            return self._hierarchies[0]

    def _meter(self, memory_mb: float) -> Meter:
        hierarchy = self._hierarchy()
        return hierarchy.group(memory_mb=memory_mb) if hierarchy else Watchdog(memory_mb=memory_mb)

    def run(
        self, command: launch.Command, cancelled: Callable[[], bool] | None, *, root: str
    ) -> process.Outcome:
        """Run `command` in a sandbox of its own over the root file system of that name."""
        with self._using(root) as files:
            return process.run(
                command,
                bwrap=files.bwrap,
                root=files.root,
                meter=self._meter(command.memory_mb),
                cancelled=cancelled,
            )

    def serve(self) -> ForkServer:
        """A sandbox whose server waits for the program: the prepared one, or a new one."""
        spare: ForkServer | None = self._own.__dict__.pop("spare", None)
        if spare is not None:
            if spare.usable():
                return spare
            spare.close()
        with self._using(SCRIPTS) as files:
            meter = self._meter(_SERVER_MEMORY_MB)
            return ForkServer(bwrap=files.bwrap, root=files.root, meter=meter)

    def prepare(self) -> None:
        """Start the sandbox of this thread's next evaluation, which need not wait for it then.

        Nothing has run in it. It ends with `release`, or with the thread.
        """
        if "spare" not in self._own.__dict__:
            self._own.spare = self.serve()

    def release(self) -> None:
        """End what `prepare` has started in this thread."""
        spare: ForkServer | None = self._own.__dict__.pop("spare", None)
        if spare is not None:
            spare.close()

    @contextmanager
    def _using(self, name: str) -> Iterator[RootFilesystem]:
        files = self._root(name)
        try:
            yield files
        except SandboxError:
            if not files.root.exists():
                self._roots.forget(name)
            raise
