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


class Artefact:
    """What a compiler made: bytes in memory that nobody looks into, nor can change any more.

    `name` and `mode` are those of the file that the program's runs see in their working directory.
    """

    def __init__(self, data: bytes, *, name: str, mode: int) -> None:
        self.name = name
        self.mode = mode
        self.size = len(data)
        self._descriptor = memory_file("artefact", data)

    def open(self) -> int:
        """A descriptor of its own to read it from the beginning."""
        return os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._descriptor)


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
