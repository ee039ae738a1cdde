"""A Docker engine for a run of the tests, and the image that its sandboxes are made from.

The image is Debian with toolchains and nothing of ours, made with debootstrap from the mirror that
this machine installs its own packages from, and kept: a second run needs no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from neurogame.bootstrap.environment import SetupError, say

IMAGE = "neurogame-sandbox"
PACKAGES = ("python3", "nodejs", "gcc", "g++", "libc6-dev")
LEFT_OUT = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
)
START_SECONDS = 30.0
_HELP = "apt-get install docker.io debootstrap"


def cache() -> Path:
    """Where what is made once is kept, outside of the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "neurogame"


def installed() -> bool:
    """Whether an engine may be started here: the programs are there, and this is root."""
    return (
        sys.platform == "linux"
        and os.geteuid() == 0
        and shutil.which("dockerd") is not None
        and (shutil.which("debootstrap") is not None or archive().exists())
    )


# --- the image ------------------------------------------------------------------------------


def archive() -> Path:
    """The root file system of the image, whether it is there or not."""
    release = _release()
    made_of = " ".join((release.get("ID", ""), release.get("VERSION_CODENAME", ""), *PACKAGES))
    made_of += f" -{' -'.join(LEFT_OUT)} a-s"
    return cache() / f"{IMAGE}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.tar"


def build() -> Path:
    """Make the archive unless it is there. Raises `SetupError`."""
    target = archive()
    if target.exists():
        return target
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise SetupError(f"The sandbox image is made by root, with debootstrap: {_HELP}")
    mirror, suite, components = _mirror()
    say(f"Making the sandbox image from {suite} (once; two minutes or three)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="neurogame-image-", dir=target.parent) as folder:
        root, log = Path(folder) / "root", Path(folder) / "log"
        command = ["debootstrap", "--variant=minbase", f"--components={','.join(components)}"]
        command += [f"--include={','.join(PACKAGES)}", suite, str(root), mirror]
        with log.open("wb") as output:
            made = subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        if made.returncode:
            raise SetupError(f"debootstrap failed:\n{log.read_text('utf-8', 'replace')[-1500:]}")
        for name in LEFT_OUT:
            shutil.rmtree(root / name, ignore_errors=True)
        # Nothing in a sandbox gains by them; none the better.
        subprocess.run(["chmod", "-R", "a-s", str(root / "usr")], check=True)
        unfinished = Path(folder) / "image.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(unfinished), "."], check=True)
        unfinished.replace(target)
    return target


def _release() -> dict[str, str]:
    """/etc/os-release, as far as it is simple."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return {}
    return {name: value.strip("\"'") for name, value in re.findall(r"^(\w+)=(.*)$", text, re.M)}


def _mirror() -> tuple[str, str, list[str]]:
    """Where this machine's own packages come from: address, suite, components."""
    suite = _release().get("VERSION_CODENAME", "")
    base = Path("/etc/apt")
    paths = [*base.glob("sources.list.d/*.sources"), base / "sources.list"]
    paths += base.glob("sources.list.d/*.list")
    for path in paths:
        for address, suites, components in sources(path):
            if suite in suites and "main" in components:
                return address, suite, components
    raise SetupError(f"/etc/apt names no source of packages for {suite or 'this system'}")


def sources(path: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Address, suites and components of every source in a file of either format."""
    try:
        text = path.read_text()
    except OSError:
        return
    if path.suffix == ".sources":
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, re.M))
            if "deb" in fields.get("Types", "").split():
                addresses = [*fields.get("URIs", "").split(), ""]
                suites, parts = fields.get("Suites", "").split(), fields.get("Components", "")
                yield addresses[0], suites, parts.split()
        return
    for found in re.finditer(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$", text, re.M):
        yield found[1], [found[2]], found[3].split()


# --- the engine -----------------------------------------------------------------------------


class Daemon:
    """A Docker daemon with a socket, images and containers of its own below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises `SetupError`."""
        command = ["dockerd", "--host", self.url, "--bridge=none", "--iptables=false"]
        command += ["--ip6tables=false", "--log-level=error", "--shutdown-timeout=2"]
        for option, name in (("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid")):
            command += [f"--{option}", str(self.folder / name)]
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                said = log.read_text("utf-8", "replace").strip()
                raise SetupError(f"dockerd did not start: {said.splitlines()[-1:]}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it answers within a second."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(self.url.removeprefix("unix://"))
                connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                return connection.recv(64).startswith(b"HTTP/1.0 200")
            except OSError:
                return False

    def load(self, tar: Path) -> None:
        """Import the image and run something in it once. Raises `SetupError`."""
        import docker
        import requests

        with contextlib.closing(docker.APIClient(base_url=self.url, timeout=120)) as client:
            try:
                client.import_image_from_file(str(tar), repository=IMAGE, tag="latest")
                network = client.create_host_config(network_mode="none")
                made = client.create_container(IMAGE, ["true"], host_config=network)["Id"]
                client.start(made)
                ended = client.wait(made)["StatusCode"]
                client.remove_container(made)
            except (docker.errors.DockerException, requests.RequestException) as error:
                raise SetupError(f"No container runs here: {str(error)[:500]}") from error
        if ended:
            raise SetupError(f"No container runs here: /usr/bin/true ended with {ended}")

    def kill(self) -> None:
        """As a crash of both daemons: the containers go on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        file = self.folder / "exec/containerd/containerd.pid"
        with contextlib.suppress(OSError, ValueError):
            # It dies by itself, but only soon, and where nobody reaps it a daemon that is started
            # again would take it for alive.
            ended = os.pidfd_open(int(file.read_text()))
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(ended, signal.SIGKILL)
            select.select([ended], [], [], 10)
            os.close(ended)
        file.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it, with its containers, and unmount what it mounted."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            mounted = line.split()[1]
            if mounted.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", mounted], capture_output=True)


@contextlib.contextmanager
def docker() -> Iterator[Daemon]:
    """An engine with the image loaded, gone afterwards. Raises `SetupError`."""
    tar = build()
    folder = Path(tempfile.mkdtemp(prefix="neurogame-docker-"))
    daemon = Daemon(folder)
    try:
        daemon.start()
        daemon.load(tar)
        yield daemon
    finally:
        daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)
