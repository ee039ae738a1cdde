"""Descriptors between the server and a sandbox: what goes in, what comes out, and its cap."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field

# linux/fcntl.h, by value: this module is imported on systems that have neither, too.
_F_ADD_SEALS = 1033
_F_SEAL_ALL = 0x0F  # against sealing, shrinking, growing and writing


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


class Feed:
    """What goes into a pipe, as fast as the other end takes it."""

    def __init__(self, descriptor: int, data: bytes) -> None:
        self.descriptor = descriptor
        self._left = memoryview(data)

    def push(self) -> bool:
        """Write what fits; False when nothing is left to write or nobody reads any more."""
        try:
            while self._left:
                self._left = self._left[os.write(self.descriptor, self._left) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            pass
        self.close()
        return False

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


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
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _F_SEAL_ALL)
    return descriptor


def close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
