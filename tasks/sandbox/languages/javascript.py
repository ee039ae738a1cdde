"""JavaScript: the machine's Node.js, where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tasks.sandbox.languages.base import STDIO_AND_FUNCTION, Build
from tasks.sandbox.rootfs import RootBuilder

_DRIVER = Path(__file__).parent / "driver.js"
_OUTSIDE_THE_HEAP_MB = 48


class JavaScript:
    name = "javascript"
    source_name = "solution.js"
    kinds = STDIO_AND_FUNCTION
    package = "nodejs"
    build_root = run_root = "scripts"
    served = False
    sample = "console.log(42);"

    def available(self) -> bool:
        return _node() is not None

    def versions(self) -> tuple[str, ...]:
        version = _found()[1]
        return (f"Node.js {version}",) if version else ()

    def fingerprint(self) -> list[Path]:
        node = _node()
        return [node, Path(__file__), _DRIVER] if node else []

    def install(self, root: RootBuilder) -> None:
        node = _node()
        if node:
            root.add_file(node, "usr/bin/node")
            root.add_libraries([node])
            root.add_file(_DRIVER, "usr/lib/judge/driver.js")

    def build(self) -> Build:
        return Build(argv=("/usr/bin/node", "--check", self.source_name))

    def stdio_command(self, *, memory_mb: float) -> tuple[str, ...]:
        return (*_flags(memory_mb), "solution.js")

    def function_command(self, *, memory_mb: float) -> tuple[str, ...]:
        return (*_flags(memory_mb), "/usr/lib/judge/driver.js")

    def environment(self, *, memory_mb: float) -> tuple[tuple[str, str], ...]:
        return ()

    def address_space_mb(self, *, memory_mb: float) -> float | None:
        """None: V8 reserves far more than it uses."""
        return None

    def stack_mb(self, *, memory_mb: float) -> float | None:
        return None

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        died = signal in ("SIGABRT", "SIGTRAP", "SIGILL") or code not in (0, None)
        said = (
            r"JavaScript heap out of memory|Array buffer allocation failed|ERR_WORKER_OUT_OF_MEMORY"
        )
        return died and re.search(said, stderr) is not None


def _flags(memory_mb: float) -> tuple[str, ...]:
    heap = max(16, int(memory_mb) - _OUTSIDE_THE_HEAP_MB)
    return ("/usr/bin/node", f"--max-old-space-size={heap}", "--stack-size=3900")


def _node() -> Path | None:
    return _found()[0]


@cache
def _found() -> tuple[Path | None, str]:
    """Node's own binary, which a launcher of that name may hide, and its version."""
    launcher = shutil.which("node") or shutil.which("nodejs")
    if launcher is None:
        return None, ""
    try:
        path, version = subprocess.run(
            [launcher, "-p", "process.execPath + '\\n' + process.versions.node"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout.splitlines()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None, ""
    return Path(path).resolve(), version
