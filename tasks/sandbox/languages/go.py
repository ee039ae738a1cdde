"""Go: the machine's compiler and linker, and what tasks may need of the standard library."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tasks.sandbox.base import SandboxError
from tasks.sandbox.languages.base import Build, ask
from tasks.sandbox.languages.gcc import Native, shell
from tasks.sandbox.rootfs import RootBuilder

_HOME = "usr/lib/go"
_CONFIG = f"/{_HOME}/importcfg"
# The packages that programs may import: none that a task without network and files has no use for.
_PACKAGES = re.compile(
    r"bufio|bytes|cmp|container/.*|context|crypto/(hmac|md5|rand|sha1|sha256|sha512)"
    r"|encoding/(base32|base64|binary|csv|hex|json)|errors|flag|fmt|hash(/.*)?|index/suffixarray"
    r"|io|io/fs|iter|log|maps|math(/.*)?|os|os/signal|path(/filepath)?|reflect|regexp(/syntax)?"
    r"|runtime(/debug)?|slices|sort|strconv|strings|structs|sync(/.*)?|syscall|text/.*|time"
    r"|unicode(/.*)?|unique|unsafe|weak"
)


class Go(Native):
    name = "go"
    source_name = "solution.go"
    package = "golang-go"
    build_root = "go"
    sample = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println(42) }'

    def available(self) -> bool:
        return bool(_tools())

    def versions(self) -> tuple[str, ...]:
        match = re.search(r"go(\d[\w.]*)", ask("go", "version"))
        return (f"Go {match[1]}",) if match else ()

    def fingerprint(self) -> list[Path]:
        return [Path(__file__), *_tools()]

    def install(self, root: RootBuilder) -> None:
        tools = _tools()
        if not tools:
            return
        programs = [Path(found) for name in ("sh", "cat") if (found := shutil.which(name))]
        for program in programs:
            root.add_file(program, f"usr/bin/{program.name}")
        for tool in tools:
            root.add_file(tool, f"{_HOME}/{tool.name}")
        root.add_libraries([*programs, *tools])
        lines = []
        with tempfile.TemporaryDirectory(prefix="neurogame-go-") as cache_directory:
            for number, (name, file) in enumerate(sorted(_packages(cache_directory).items())):
                target = f"{_HOME}/pkg/{number}.a"
                root.add_file(file, target)
                lines.append(f"packagefile {name}=/{target}\n")
        root.add_text(_CONFIG[1:], "".join(lines))

    def build(self) -> Build:
        compiler = f"/{_HOME}/compile -p main -complete -pack -importcfg {_CONFIG} -o /tmp/main.a"
        linker = f"/{_HOME}/link -s -w -importcfg {_CONFIG} -o {self.artefact} /tmp/main.a"
        return Build(
            argv=shell(f"{compiler} {self.source_name} && {linker}", self.artefact),
            artefact=self.artefact,
            mode=0o755,
            cpu_s=20,
            wall_s=40,
            memory_mb=1024,
        )

    def environment(self, *, memory_mb: float) -> tuple[tuple[str, str], ...]:
        """The collector works harder before the limit; few threads beside the program's."""
        return (("GOMAXPROCS", "2"), ("GOMEMLIMIT", f"{max(8, int(memory_mb * 0.9))}MiB"))

    def address_space_mb(self, *, memory_mb: float) -> float | None:
        """None: the runtime reserves far more than it uses."""
        return None

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        said = r"runtime: out of memory|cannot allocate memory"
        return code == 2 and re.search(said, stderr) is not None


@cache
def _tools() -> tuple[Path, ...]:
    directory = ask("go", "env", "GOTOOLDIR")
    tools = tuple(Path(directory, name) for name in ("compile", "link"))
    return tools if directory and all(tool.is_file() for tool in tools) else ()


def _packages(cache_directory: str) -> dict[str, Path]:
    """The compiled packages of the standard library, by import path.

    Go up to 1.19 ships them; later versions compile them here, once, which takes 20 s of CPU.
    """
    environment = {
        "PATH": os.environ.get("PATH", ""),
        **dict.fromkeys(("HOME", "GOCACHE", "GOPATH"), cache_directory),
        **{"CGO_ENABLED": "0", "GO111MODULE": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local"},
    }

    def list_(*arguments: str) -> list[str]:
        try:
            return subprocess.run(
                ["go", "list", *arguments],
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=True,
            ).stdout.splitlines()
        except (OSError, subprocess.SubprocessError) as error:
            raise SandboxError(f"Go's standard library cannot be listed: {error}")

    names = [name for name in list_("std") if _PACKAGES.fullmatch(name)]
    export = "{{if .Export}}{{.ImportPath}} {{.Export}}{{end}}"
    exported = list_("-deps", "-export", "-f", export, *names)
    return {name: Path(file) for name, file in (line.split(" ", 1) for line in exported if line)}
