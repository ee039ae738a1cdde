"""Java: the machine's JDK. The class `Main` is what runs."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

from tasks.sandbox.languages.base import STDIO, Build
from tasks.sandbox.languages.gcc import shell
from tasks.sandbox.rootfs import RootBuilder

_HOME = "usr/lib/jvm"
_LEFT_OUT = re.compile(
    r"^(bin|demo|docs|include|jmods|legal|man|sample|src\.zip|jfr"
    r"|lib(atk-wrapper|awt.*|fontmanager|freetype|jawt|jdwp|jsound|lcms|mlib_image|saproc"
    r"|splashscreen|sctp|j2pcsc|j2pkcs11)\.so)$"
)
# Few threads of its own, and no files beside the program's; the class archive halves the start.
_QUIET = ("-XX:+UseSerialGC", "-XX:CICompilerCount=2", "-XX:-UsePerfData", "-Xshare:auto")
_OUTSIDE_THE_HEAP_MB = 64
_STACK_MB = 48
_COMPILE = f"""
java="/{_HOME}/bin/java {" ".join(_QUIET)} -XX:TieredStopAtLevel=1 -Xmx512m"
$java -m jdk.compiler/com.sun.tools.javac.Main -proc:none -encoding UTF-8 -Xmaxerrs 20 \
-d classes Main.java || exit 1
[ -f classes/Main.class ] || {{ echo "Main.java: the class Main is missing" >&2; exit 1; }}
$java -m jdk.jartool/sun.tools.jar.Main --create --no-compress --no-manifest --file solution.jar \
-C classes .
"""


class Java:
    name = "java"
    source_name = "Main.java"
    kinds = STDIO
    package = "default-jdk-headless"
    build_root = run_root = "java"
    served = False
    sample = "class Main { public static void main(String[] a) { System.out.println(42); } }"

    def available(self) -> bool:
        return _home() is not None

    def versions(self) -> tuple[str, ...]:
        home = _home()
        release = (home / "release").read_text(encoding="utf-8") if home else ""
        version = re.search(r'^JAVA_VERSION="([^"]+)"', release, re.MULTILINE)
        return (f"Java {version[1]}",) if version else ()

    def fingerprint(self) -> list[Path]:
        home = _home()
        return [Path(__file__), home / "release", home / "lib" / "modules"] if home else []

    def install(self, root: RootBuilder) -> None:
        """The JDK without its launchers: the compiler is a module that the virtual machine runs."""
        home = _home()
        if home is None:
            return
        root.add_tree(home, _HOME, ignore=_ignore)
        binaries = [home / "bin" / "java"]
        root.add_file(binaries[0], f"{_HOME}/bin/java")
        for name in ("sh", "cat"):
            if program := shutil.which(name):
                root.add_file(Path(program), f"usr/bin/{name}")
                binaries.append(Path(program))
        libraries = (root.directory / _HOME / "lib").rglob("*.so")
        binaries += [home / path.relative_to(root.directory / _HOME) for path in sorted(libraries)]
        root.add_libraries(binaries)

    def build(self) -> Build:
        return Build(
            argv=shell(f"{{ {_COMPILE} }}", "solution.jar"),
            artefact="solution.jar",
            cpu_s=20,
            wall_s=40,
            memory_mb=1024,
        )

    def stdio_command(self, *, memory_mb: float) -> tuple[str, ...]:
        heap = max(16, int(memory_mb) - _OUTSIDE_THE_HEAP_MB)
        stack = max(2, min(_STACK_MB, heap // 4))
        limits = (f"-Xmx{heap}m", f"-Xss{stack}m", "-XX:ReservedCodeCacheSize=48m")
        # The trace of an endless recursion would be longer than what a program may print.
        shown = ("-XX:MaxJavaStackTraceDepth=64",)
        where = ("-XX:-CreateCoredumpOnCrash", "-Dfile.encoding=UTF-8", "-cp", "solution.jar")
        return (f"/{_HOME}/bin/java", *_QUIET, *limits, *shown, *where, "Main")

    def function_command(self, *, memory_mb: float) -> tuple[str, ...]:
        raise NotImplementedError("no driver for tasks of the kind function")

    def environment(self, *, memory_mb: float) -> tuple[tuple[str, str], ...]:
        return ()

    def address_space_mb(self, *, memory_mb: float) -> float | None:
        """None: the virtual machine reserves far more than it uses."""
        return None

    def stack_mb(self, *, memory_mb: float) -> float | None:
        """None: the main thread is one that the virtual machine makes (`-Xss`)."""
        return None

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        """Not when only a thread could not be started, which Java calls by the same name."""
        said = (
            r"java\.lang\.OutOfMemoryError(?!: unable to create)|insufficient memory for the Java"
        )
        return code not in (0, None) and re.search(said, stderr) is not None


def _ignore(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if _LEFT_OUT.search(name)}


@cache
def _home() -> Path | None:
    """The directory of the JDK whose `javac` is in the path."""
    found = shutil.which("javac")
    if not found:
        return None
    home = Path(found).resolve().parent.parent
    there = (home / "lib" / "modules").is_file() and (home / "release").is_file()
    return home if there else None
