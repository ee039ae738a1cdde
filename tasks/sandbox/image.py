"""The root file system of the image that containers are made from.

It holds what bubblewrap's roots hold, in one: the interpreters, the compilers and the libraries that
they load, from this machine, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tasks.sandbox.languages import ROOTS
from tasks.sandbox.rootfs import RootBuilder, open_to_all


def fill(directory: Path, *, roots: Iterable[str] = tuple(ROOTS)) -> None:
    """Fill an empty directory with those of `ROOTS`; languages that this machine lacks stay out.

    Raises `SandboxError` when a part cannot be copied and `OSError` when the directory is not empty.
    """
    builder = RootBuilder(directory)
    parts = {id(part): part for name in roots for part in ROOTS[name]}
    for part in parts.values():
        part.install(builder)
    open_to_all(directory)
