"""SQL: SQLite, as the Python of the sandbox has it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from tasks.sandbox.languages.base import Build
from tasks.sandbox.rootfs import RootBuilder

_DRIVER = Path(__file__).parent / "sql_driver.py"
_COMMAND = ("/usr/bin/python3", "-I", "-S", "-X", "utf8", "/usr/lib/judge/sql_driver.py")


class Sql:
    """The program is a query; its standard input is the script that makes the tables it reads."""

    name = "sql"
    source_name = "solution.sql"
    kinds: tuple[str, ...] = ("sql",)
    package = "python3"
    build_root = run_root = "scripts"
    served = False
    sample = "SELECT 42"

    def available(self) -> bool:
        return importlib.util.find_spec("_sqlite3") is not None

    def versions(self) -> tuple[str, ...]:
        import sqlite3

        return (f"SQLite {sqlite3.sqlite_version}",)

    def fingerprint(self) -> list[Path]:
        return [Path(__file__), _DRIVER]

    def install(self, root: RootBuilder) -> None:
        root.add_file(_DRIVER, "usr/lib/judge/sql_driver.py")

    def build(self) -> Build:
        return Build(argv=(*_COMMAND, "--check", self.source_name))

    def stdio_command(self, *, memory_mb: float) -> tuple[str, ...]:
        return (*_COMMAND, self.source_name)

    def function_command(self, *, memory_mb: float) -> tuple[str, ...]:
        raise NotImplementedError("no driver for tasks of the kind function")

    def environment(self, *, memory_mb: float) -> tuple[tuple[str, str], ...]:
        return ()

    def address_space_mb(self, *, memory_mb: float) -> float | None:
        return 2 * memory_mb + 512

    def stack_mb(self, *, memory_mb: float) -> float | None:
        return None

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        return code == 1 and re.match(r"MemoryError\b", stderr) is not None
