"""Descriptors between the server and a sandbox: what goes in, what comes out, and its cap."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@dataclass(slots=True)
class Capture:
    """What came through a pipe, up to its cap."""

    cap: int
    data: bytearray = field(default_factory=bytearray)
    truncated: bool = False

    def add(self, chunk: bytes) -> None:
        room = self.cap - len(self.data)
        self.data += chunk[:room]
        self.truncated = self.truncated or len(chunk) > room


def drain(descriptor: int, capture: Capture, *, once: bool = False) -> bool:
    """Read what is there; False at the end of the stream."""
    while not capture.truncated:
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        capture.add(chunk)
        if once:
            return True
    return True


def everything(descriptor: int) -> bytes:
    capture = Capture(65536)
    drain(descriptor, capture)
    return bytes(capture.data)


def memory_file(name: str, data: bytes) -> int:
    """A descriptor to read `data` from, which nobody can change any more."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor


def close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
