"""C and C++: the machine's GCC, and the libraries that what it makes is run with."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

from tasks.sandbox.languages.base import STDIO, Build, ask
from tasks.sandbox.rootfs import RootBuilder

# Start files and libraries that a program may be linked with, by the names that GCC finds them by.
_LINKED = (
    *("crt1.o", "Scrt1.o", "crti.o", "crtn.o"),
    *("libc.so", "libc_nonshared.a", "libm.so", "libpthread.a", "libdl.a", "librt.a", "libutil.a"),
)
_HEADERS = {"asm", "asm-generic", "bits", "c++", "gnu", "linux", "netinet", "arpa", "net", "sys"}
_LEFT_OUT = re.compile(r"^lib(asan|tsan|lsan|ubsan|hwasan|cc1)|^(plugin|lto1|g\+\+-mapper-server)$")
_STACK_MB = 64
_OUTSIDE_THE_STACK_MB = 16


class Native:
    """What programs of machine code have in common, whatever language they were written in."""

    kinds = STDIO
    run_root = "native"
    served = False
    artefact = "solution"

    def stdio_command(self, *, memory_mb: float) -> tuple[str, ...]:
        return (f"./{self.artefact}",)

    def function_command(self, *, memory_mb: float) -> tuple[str, ...]:
        raise NotImplementedError("no driver for tasks of the kind function")

    def environment(self, *, memory_mb: float) -> tuple[tuple[str, str], ...]:
        return ()

    def address_space_mb(self, *, memory_mb: float) -> float | None:
        """Room for what is reserved but never touched, such as the stacks of threads."""
        return 2 * memory_mb + 512

    def stack_mb(self, *, memory_mb: float) -> float | None:
        """Deep recursion is no error in these languages; still it ends before the memory does."""
        return max(8.0, min(_STACK_MB, memory_mb - _OUTSIDE_THE_STACK_MB))


class Gcc(Native):
    """One of the languages that GCC compiles."""

    package = "gcc"
    build_root = "gcc"
    sample = '#include <stdio.h>\nint main() { puts("42"); }'

    def __init__(self, name: str, driver: str, suffix: str, *options: str) -> None:
        self.name = name
        self.source_name = f"solution.{suffix}"
        self._driver = driver
        self._options = options
        if driver == "g++":
            self.package = "g++"

    def available(self) -> bool:
        return driver_path(self._driver) is not None

    def versions(self) -> tuple[str, ...]:
        version = ask(self._driver, "-dumpfullversion")
        return (f"GCC {version}",) if version else ()

    def build(self) -> Build:
        compiler = (f"/usr/bin/{self._driver}", *self._options, self.source_name)
        return Build(
            argv=shell(f"{' '.join(compiler)} -o {self.artefact} -lm", self.artefact),
            artefact=self.artefact,
            mode=0o755,
            cpu_s=15,
            wall_s=30,
            memory_mb=1024,
        )

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        return signal == "SIGABRT" and "std::bad_alloc" in stderr


C = Gcc("c", "gcc", "c", "-std=gnu17", "-O2", "-fmax-errors=20")
Cpp = Gcc("cpp", "g++", "cpp", "-std=gnu++20", "-O2", "-fmax-errors=20")


def shell(command: str, made: str) -> tuple[str, ...]:
    """Run `command`, then write the file that it `made` to the descriptor of the last argument."""
    return ("/usr/bin/sh", "-c", f'{command} && exec cat {made} >"/proc/self/fd/$1"', "sh")


class Linker:
    """A part: GCC as far as it links, with the shell that runs it."""

    def fingerprint(self) -> list[Path]:
        gcc = driver_path("gcc")
        return [Path(__file__), gcc, *_own_directories(), *_linked()] if gcc else []

    def install(self, root: RootBuilder) -> None:
        if driver_path("gcc") is None:
            return
        for own in _own_directories():
            root.add_tree(own, str(own)[1:], ignore=self._ignored)
        programs = [shutil.which("sh"), shutil.which("cat")]
        programs += [_program(name) for name in ("as", "ld", "collect2", "lto-wrapper")]
        binaries = [Path(program) for program in programs if program]
        for program in binaries:
            inside = program.parent in _own_directories()
            root.add_file(program, str(program)[1:] if inside else f"usr/bin/{program.name}")
        for driver in ("gcc", "g++"):
            if path := driver_path(driver):
                root.add_file(path, f"usr/bin/{driver}")
                root.add_file(path, str(path)[1:])
                binaries.append(path)
        root.link("usr/bin/cc", "gcc")
        for path in _linked():
            root.add_file(path, str(path)[1:])
        names = ("cc1", "cc1plus", "liblto_plugin.so")
        binaries += [own / name for own in _own_directories() for name in names]
        root.add_libraries([path for path in binaries if path.is_file()])
        for library in _runtime():
            root.add_file(library, f"usr/lib/{library.name}")

    def _ignored(self, directory: str, names: list[str]) -> set[str]:
        return {name for name in names if _LEFT_OUT.search(name) or name.startswith("cc1")}


class Compiler(Linker):
    """A part: all of GCC, with the headers of the standard libraries."""

    def fingerprint(self) -> list[Path]:
        return [*super().fingerprint(), *_include_directories()]

    def install(self, root: RootBuilder) -> None:
        super().install(root)
        for directory in _include_directories():
            root.add_tree(directory, str(directory)[1:], ignore=_ignored_headers)

    def _ignored(self, directory: str, names: list[str]) -> set[str]:
        return {name for name in names if _LEFT_OUT.search(name)}


class Runtime:
    """A part: the shared libraries that a compiled program loads."""

    def fingerprint(self) -> list[Path]:
        return [Path(__file__), *_runtime()]

    def install(self, root: RootBuilder) -> None:
        for library in _runtime():
            root.add_file(library, f"usr/lib/{library.name}")
        if _runtime():
            root.add_libraries(_runtime())


@cache
def driver_path(name: str) -> Path | None:
    """The compiler driver's own file, which links of other names lead to."""
    found = shutil.which(name)
    return Path(found).resolve() if found and ask(name, "-dumpversion") else None


@cache
def _program(name: str) -> str:
    found = ask("gcc", f"-print-prog-name={name}")
    return found if found.startswith("/") else shutil.which(name) or ""


@cache
def _own_directories() -> list[Path]:
    """Where GCC keeps its own libraries and headers, and its own programs, which may be elsewhere."""
    files = (ask("gcc", "-print-file-name=crtbegin.o"), ask("gcc", "-print-prog-name=cc1"))
    found = [Path(file).parent for file in files if file.startswith("/")]
    return list(dict.fromkeys(found))


@cache
def _linked() -> list[Path]:
    """The files of `_LINKED` that are there, and what the linker scripts among them name."""
    found = [Path(ask("gcc", f"-print-file-name={name}")) for name in _LINKED]
    found = [path for path in found if path.is_absolute() and path.exists()]
    for script in [path for path in found if path.suffix == ".so"]:
        text = script.read_bytes()[:4096]
        if text.startswith(b"/*"):
            found += [Path(name) for name in re.findall(r"/[\w./+-]+\.so\.\d+", text.decode())]
    return [path for path in dict.fromkeys(found) if path.exists()]


@cache
def _runtime() -> list[Path]:
    """libstdc++, libgcc_s, libm and libatomic, as far as they are there."""
    if driver_path("gcc") is None:
        return []
    names = ("libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libatomic.so.1", "libgomp.so.1")
    found = [Path(ask("gcc", f"-print-file-name={name}")) for name in names]
    return [path for path in found if path.is_absolute() and path.exists()]


@cache
def _include_directories() -> list[Path]:
    driver = "g++" if driver_path("g++") else "gcc"
    language = "c++" if driver == "g++" else "c"
    if driver_path(driver) is None:
        return []
    listing = ask("sh", "-c", f"{driver} -E -v -x {language} /dev/null 2>&1")
    searched = listing.partition("<...> search starts here:")[2].partition("End of search")[0]
    directories = [Path(line.strip()).resolve() for line in searched.splitlines() if line.strip()]
    return [path for path in directories if path.is_dir() and not path.is_relative_to("/usr/local")]


def _ignored_headers(directory: str, names: list[str]) -> set[str]:
    """Of a directory of all the machine's headers only those of the C library and of Linux."""
    if Path(directory).name not in ("include", *_triplets()):
        return set()
    return {
        name for name in names if Path(directory, name).is_dir() and name not in _HEADERS
    } - _triplets()


@cache
def _triplets() -> set[str]:
    return {ask("gcc", "-print-multiarch") or ask("gcc", "-dumpmachine")}
