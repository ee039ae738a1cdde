"""TypeScript: the compiler of the machine's npm package `typescript`, and its Node.js to run.

Up to version 6 the compiler is JavaScript; since version 7 the package brings a program for each
machine. Types are checked strictly; what programs use of Node.js is declared in `node.d.ts`.
"""

from __future__ import annotations

import json
import re
import shutil
from functools import cache
from pathlib import Path

from tasks.sandbox.languages.base import Build
from tasks.sandbox.languages.gcc import shell
from tasks.sandbox.languages.javascript import JavaScript
from tasks.sandbox.rootfs import RootBuilder

_DECLARATIONS = Path(__file__).parent / "node.d.ts"
_HOME = "usr/lib/typescript"
_PLACES = ("/usr/local/lib/node_modules", "/usr/lib/node_modules", "/usr/share/nodejs")
_KEPT = re.compile(r"^(lib\..*\.ts|_?tsc\.js|tsc)$")
_OPTIONS = (
    *("--strict", "--noEmitOnError", "--esModuleInterop", "--skipLibCheck", "--pretty", "false"),
    *("--target", "es2022", "--module", "commonjs", "--moduleDetection", "force"),
    *("--outDir", "out"),
)


class TypeScript(JavaScript):
    name = "typescript"
    source_name = "solution.ts"
    package = "nodejs npm && npm install -g typescript"
    build_root = "typescript"
    sample = "const answer: number = 42;\nconsole.log(answer);"

    def available(self) -> bool:
        return super().available() and _compiler() is not None

    def versions(self) -> tuple[str, ...]:
        package = _package()
        if package is None:
            return ()
        version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
        return (f"TypeScript {version}", *super().versions())

    def fingerprint(self) -> list[Path]:
        compiler = _compiler()
        own = [Path(__file__), _DECLARATIONS]
        return [*own, *super().fingerprint(), compiler] if compiler else []

    def install(self, root: RootBuilder) -> None:
        compiler = _compiler()
        if compiler is None:
            return
        root.add_tree(compiler.parent, _HOME, ignore=_ignore)
        root.add_file(_DECLARATIONS, f"{_HOME}/node.d.ts")
        binaries = [Path(found) for name in ("sh", "cat") if (found := shutil.which(name))]
        for program in binaries:
            root.add_file(program, f"usr/bin/{program.name}")
        root.add_libraries(binaries)
        if compiler.suffix:
            super().install(root)
        else:
            root.add_libraries([compiler])

    def build(self) -> Build:
        compiler = _compiler()
        program = f"/{_HOME}/tsc"
        if compiler and compiler.suffix:
            program = f"/usr/bin/node /{_HOME}/{compiler.name}"
        files = (f"/{_HOME}/node.d.ts", self.source_name)
        command = " ".join((program, *_OPTIONS, "--lib", _library(), *files))
        return Build(
            argv=shell(command, "out/solution.js"),
            artefact="solution.js",
            cpu_s=20,
            wall_s=40,
            memory_mb=1024,
        )


def _ignore(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if not _KEPT.search(name)}


@cache
def _package() -> Path | None:
    """The directory of the package: beside a `tsc` in the path, else where packages usually are."""
    found = shutil.which("tsc")
    places = [Path(found).resolve().parent.parent] if found else []
    places += [Path(place, "typescript") for place in _PLACES]
    return next((place for place in places if (place / "package.json").is_file()), None)


@cache
def _compiler() -> Path | None:
    """The compiler itself, in one directory with the declarations of the standard library."""
    package = _package()
    if package is None:
        return None
    pattern = "@typescript/typescript-linux-*/lib/tsc"
    found = [*package.parent.glob(pattern), *package.glob(f"node_modules/{pattern}")]
    found.append(package / "lib" / "tsc.js")
    usable = (path for path in found if (path.parent / "lib.es2022.d.ts").is_file())
    return next(usable, None)


@cache
def _library() -> str:
    """The newest standard library that both the compiler and Node.js know."""
    compiler = _compiler()
    major = re.match(r"Node\.js (\d+)", (*JavaScript().versions(), "")[0])
    known = compiler is not None and (compiler.parent / "lib.es2023.d.ts").is_file()
    return "es2023" if known and major and int(major[1]) >= 20 else "es2022"
