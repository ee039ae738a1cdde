"""The root file systems of a backend, each built when a program first needs it."""

from __future__ import annotations

import threading

from tasks.sandbox import rootfs
from tasks.sandbox.languages import ROOTS


class Roots:
    """Finds or builds the roots in `bases`; who waits for one does not hold up the others."""

    def __init__(self, bases: tuple[str, ...]) -> None:
        self._bases = bases
        self._locks = {name: threading.Lock() for name in ROOTS}
        self._found: dict[str, rootfs.RootFilesystem] = {}

    def get(self, name: str) -> rootfs.RootFilesystem:
        """The root of that name in `ROOTS`. Raises `SandboxUnavailable`."""
        with self._locks[name]:
            if name not in self._found:
                parts = [(part.fingerprint(), part.install) for part in ROOTS[name]]
                self._found[name] = rootfs.prepare(parts, bases=self._bases)
            return self._found[name]

    def forget(self, name: str) -> None:
        """Somebody cleaned it away: the next run builds it again."""
        with self._locks[name]:
            self._found.pop(name, None)
