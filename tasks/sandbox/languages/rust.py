"""Rust: the machine's rustc, which links by GCC."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

from tasks.sandbox.languages.base import Build, ask
from tasks.sandbox.languages.gcc import Native, driver_path, shell
from tasks.sandbox.rootfs import RootBuilder

_SYSROOT = "usr/lib/rust"
_LEFT_OUT = re.compile(r"(\.(asan|lsan|msan|tsan|hwasan|dfsan)\.a|^rust-objcopy|^wasm-.*)$")


class Rust(Native):
    name = "rust"
    source_name = "solution.rs"
    package = "rustc"
    build_root = "rust"
    sample = 'fn main() { println!("42") }'

    def available(self) -> bool:
        return _compiler() is not None and driver_path("gcc") is not None

    def versions(self) -> tuple[str, ...]:
        version = ask("rustc", "--version").split()
        return (f"Rust {version[1]}",) if len(version) > 1 else ()

    def fingerprint(self) -> list[Path]:
        compiler = _compiler()
        return [Path(__file__), compiler, _libraries()] if compiler else []

    def install(self, root: RootBuilder) -> None:
        """The compiler and the standard library for this machine alone."""
        compiler = _compiler()
        if compiler is None:
            return
        root.add_file(compiler, f"{_SYSROOT}/bin/rustc")
        root.add_libraries([compiler])
        libraries = _libraries()
        target = f"{_SYSROOT}/lib/rustlib/{libraries.parent.name}"
        root.add_tree(libraries, f"{target}/lib", ignore=_ignore)
        tools = libraries.parent / "bin"
        if tools.is_dir():
            root.add_tree(tools, f"{target}/bin", ignore=_ignore)
            root.add_libraries([path for path in tools.iterdir() if path.is_file()])

    def build(self) -> Build:
        compiler = (
            *(f"/{_SYSROOT}/bin/rustc", "--sysroot", f"/{_SYSROOT}", "--edition", "2021"),
            *("-C", "opt-level=2", "-C", "strip=symbols", "-o", self.artefact, self.source_name),
        )
        return Build(
            argv=shell(" ".join(compiler), self.artefact),
            artefact=self.artefact,
            mode=0o755,
            cpu_s=20,
            wall_s=40,
            memory_mb=1024,
        )

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        return (
            signal == "SIGABRT" and re.search(r"memory allocation of \d+ bytes", stderr) is not None
        )


def _ignore(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if _LEFT_OUT.search(name)}


@cache
def _compiler() -> Path | None:
    """The compiler's own file, which rustup hides behind a proxy of that name."""
    if not shutil.which("rustc"):
        return None
    path = Path(ask("rustc", "--print", "sysroot"), "bin", "rustc")
    return path.resolve() if path.is_absolute() and path.is_file() else None


@cache
def _libraries() -> Path:
    return Path(ask("rustc", "--print", "target-libdir"))
