"""Python: the interpreter that runs the server, with its standard library alone."""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from functools import cache
from pathlib import Path

from tasks.sandbox.languages.base import STDIO_AND_FUNCTION, Build
from tasks.sandbox.rootfs import RootBuilder

_HERE = Path(__file__).parent
_JUDGE = "usr/lib/judge"
_OURS = [_HERE / "driver.py", _HERE / "server.py"]
_LEFT_OUT = {
    "__phello__",
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
_LEFT_OUT_PATTERN = re.compile(
    r"^(config-|_test|_ctypes_test|_tkinter|_dbm|_gdbm|nis\.|xx)|\.opt-[12]\.pyc$"
)
_FLAGS = ("-I", "-X", "utf8")
_CHECK = """
import sys
with open("solution.py", "rb") as file:
    source = file.read()
try:
    compile(source, "solution.py", "exec", dont_inherit=True)
except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
    import traceback
    traceback.print_exception(type(error), error, None)
    sys.exit(1)
"""


# Found by its path for a moment only, because a module comes with its byte code and a script not.
SERVER_COMMAND = (
    "/usr/bin/python3",
    *_FLAGS,
    "-c",
    f"import sys; sys.path.insert(0, '/{_JUDGE}'); import server; del sys.path[0]; server.main()",
)


class Python:
    name = "python"
    source_name = "solution.py"
    kinds = STDIO_AND_FUNCTION
    package = "python3"
    build_root = run_root = "scripts"
    served = True
    sample = "print(42)"

    def available(self) -> bool:
        return True

    def versions(self) -> tuple[str, ...]:
        return (f"Python {platform.python_version()}",)

    def fingerprint(self) -> list[Path]:
        library = _library()
        return [
            _executable(),
            library / "os.py",
            library,
            library / "lib-dynload",
            *_shared_library(),
            Path(__file__),
            *_OURS,
        ]

    def install(self, root: RootBuilder) -> None:
        target = f"usr/lib/{_library().name}"
        root.add_file(_executable(), "usr/bin/python3")
        root.add_tree(_library(), target, ignore=_ignore)
        for path in (root.directory / target).glob("_sysconfigdata*.py"):
            text = path.read_text(encoding="utf-8").replace(sys.base_prefix, "/usr")
            path.write_text(text, encoding="utf-8")
        root.add_libraries(
            [_executable(), *sorted((root.directory / target / "lib-dynload").glob("*.so"))]
        )
        for path in _shared_library():
            root.add_file(path, f"usr/lib/{path.name}")
        root.compile_python(target)
        for path in _OURS:
            root.add_file(path, f"{_JUDGE}/{path.name}")
        root.compile_python(_JUDGE)

    def build(self) -> Build:
        argv = ("/usr/bin/python3", *_FLAGS, "-S", "-c", _CHECK)
        return Build(argv=argv, address_space_mb=self.address_space_mb(memory_mb=512))

    def stdio_command(self, *, memory_mb: float) -> tuple[str, ...]:
        return ("/usr/bin/python3", *_FLAGS, self.source_name)

    def function_command(self, *, memory_mb: float) -> tuple[str, ...]:
        return ("/usr/bin/python3", *_FLAGS, f"/{_JUDGE}/driver.py")

    def environment(self, *, memory_mb: float) -> tuple[tuple[str, str], ...]:
        return ()

    def address_space_mb(self, *, memory_mb: float) -> float | None:
        """Room for what is reserved but never touched, such as the stacks of threads."""
        return 2 * memory_mb + 512

    def stack_mb(self, *, memory_mb: float) -> float | None:
        return None

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        last = stderr.rstrip().rpartition("\n")[2]
        return code == 1 and re.match(r"MemoryError\b", last) is not None


@cache
def _executable() -> Path:
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


@cache
def _library() -> Path:
    variables = {"installed_base": sys.base_prefix, "base": sys.base_prefix}
    return Path(sysconfig.get_path("stdlib", vars=variables)).resolve()


@cache
def _shared_library() -> list[Path]:
    """libpython as this very process has loaded it, where the interpreter is linked to it."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.partition("/")[1] + line.partition("/")[2])
        if ".so" in name and path.name == name:
            return [path]
    return []


def _ignore(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if name in _LEFT_OUT or _LEFT_OUT_PATTERN.search(name)}
