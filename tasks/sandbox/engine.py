"""The Docker engine: containers that are made, spoken to, looked at and removed.

The only place that imports the Docker SDK. A container gets nothing of the machine: no network, no
directory, no capability; what it works on goes in through its standard input as records
(`inside/bootstrap.py`), and what comes out is bounded in size and time here.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.sandbox.base import Cancelled, SandboxError, SandboxUnavailable
from tasks.sandbox.meters import MAX_PROCESSES

LABEL = "neurogame.sandbox"  # its value: the second of the epoch after which nobody wants it
USER = "65534:65534"
WORK = "/w"
DRIVERS = "/usr/lib/judge"
PATIENCE_S = 10.0
_MIB = 1024 * 1024
_TMPFS = {WORK: "32m", "/tmp": "64m", "/dev/shm": "16m", DRIVERS: "1m"}  # noqa: S108
WIPED = tuple(_TMPFS)
INODES = 16_384  # in each of them
_CPUS = 2
_ABANDONED_S = 60.0
_BOOTSTRAP = Path(__file__).parent / "inside" / "bootstrap.py"
_LOADER = """
import os
def take(size):
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            os._exit(0)
        data += part
    return data
exec(compile(take(int(take(8))), "bootstrap", "exec"))
"""
_MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices",
    "/sys/firmware",
    "/sys/kernel",
]
_READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


class Gone(Exception):
    """The container does not answer any more, or not with what was asked for."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


@dataclass(frozen=True, slots=True)
class Ended:
    """What the engine says of a container that does not run any more."""

    out_of_memory: bool
    exit_code: int


@dataclass(slots=True)
class Engine:
    """Speaks to one engine: `host` is its address, by default that of `DOCKER_HOST`.
    An answer takes `patience_s` seconds at most.

    Raises `SandboxUnavailable` when the engine does not answer or has no such image, and
    `SandboxError` when it refuses what it is asked.
    """

    image: str
    runtime: str = ""
    host: str = ""
    patience_s: float = PATIENCE_S
    _api: Any = field(default=None, repr=False)

    def api(self) -> Any:
        if self._api is None:
            import docker

            options = docker.utils.kwargs_from_env()
            if self.host:
                options = {"base_url": self.host}
            with self.speaking():
                self._api = docker.APIClient(version="auto", timeout=self.patience_s, **options)
        return self._api

    @property
    def address(self) -> str:
        return self.host or os.environ.get("DOCKER_HOST", "") or "unix:///var/run/docker.sock"

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turns what the SDK raises into what the sandbox raises."""
        import docker
        import requests
        import urllib3

        try:
            self._knock()
            yield
        except docker.errors.ImageNotFound:
            raise SandboxUnavailable(f"the image {self.image} is missing in the Docker engine")
        except docker.errors.APIError as error:
            raise SandboxError(f"the Docker engine refuses: {error.explanation or error}")
        except (
            docker.errors.DockerException,
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            raise SandboxUnavailable(
                f"the Docker engine at {self.address} does not answer: {str(error)[:300]}"
            )

    def _knock(self) -> None:
        """Whether anybody listens, where that can be told apart from being refused."""
        if not self.address.startswith("unix://"):
            return
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(self.patience_s)
            try:
                probe.connect(self.address.removeprefix("unix://"))
            except FileNotFoundError:
                raise SandboxUnavailable(
                    f"no Docker engine listens at {self.address}: there is no such socket"
                )
            except PermissionError:
                raise SandboxUnavailable(
                    f"the Docker engine at {self.address} does not let this user in"
                )

    def enforcement(self) -> str:
        """`cgroup-v1` or `cgroup-v2` as the engine says, else `docker`."""
        with self.speaking():
            version = str(self.api().info().get("CgroupVersion", ""))
        return f"cgroup-v{version}" if version in ("1", "2") else "docker"

    def image_id(self) -> str:
        with self.speaking():
            return str(self.api().inspect_image(self.image)["Id"])

    def start(self, *, memory_mb: int, lifetime_s: float) -> Container:
        """A container whose bootstrap waits for its first request."""
        with self.speaking():
            api = self.api()
            limits = api.create_host_config(
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
                pids_limit=MAX_PROCESSES + 1,
                mem_limit=memory_mb * _MIB,
                memswap_limit=memory_mb * _MIB,
                cpu_period=100_000,
                cpu_quota=_CPUS * 100_000,
                ulimits=[
                    {"Name": name, "Soft": value, "Hard": value}
                    for name, value in (
                        ("nofile", 256),
                        ("fsize", 32 * _MIB),
                        ("core", 0),
                        ("memlock", 64 * 1024),
                        ("msgqueue", 0),
                    )
                ],
                tmpfs={
                    path: f"size={size},mode=0700,uid=65534,gid=65534,nr_inodes={INODES},"
                    "noexec,nosuid,nodev"
                    for path, size in _TMPFS.items()
                },
                log_config={"type": "none"},
                ipc_mode="private",
                dns=["127.0.0.1"],
                runtime=self.runtime or None,
            )
            # The bootstrap is the first process itself, which no signal from inside reaches;
            # behind Docker's own init it would be a process like any other of its user.
            limits.update(
                Init=False, CgroupnsMode="private", MaskedPaths=_MASKED, ReadonlyPaths=_READ_ONLY
            )
            made = api.create_container(
                self.image,
                ["python3", "-I", "-S", "-c", _LOADER],
                user=USER,
                host_config=limits,
                hostname="sandbox",
                working_dir=WORK,
                stdin_open=True,
                stop_signal="SIGKILL",  # an engine that ends does not wait for it
                labels={LABEL: str(int(time.time() + lifetime_s))},
            )["Id"]
        container = Container(self, made)
        try:
            container.begin()
        except BaseException:
            container.remove()
            raise
        return container

    def sweep(self) -> int:
        """Remove what servers that are no more have left; how many there were."""
        swept = 0
        now = time.time()
        with self.speaking():
            for found in self.api().containers(all=True, filters={"label": LABEL}):
                until = found["Labels"].get(LABEL, "")
                over = not until.isdecimal() or now > int(until)
                idle = found["State"] != "running" and now - found["Created"] > _ABANDONED_S
                if over or idle:
                    self.remove(found["Id"])
                    swept += 1
        return swept

    def remove(self, container: str) -> None:
        """Kill and remove it; one that is gone already is fine."""
        import docker

        with self.speaking(), suppress(docker.errors.NotFound):
            self.api().remove_container(container, force=True, v=True)

    def close(self) -> None:
        if self._api is not None:
            self._api.close()


class Container:
    """One container, from its start to its removal, and the records that it exchanges."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        self.memory_mb = 0
        self.born = time.monotonic()
        self._stream: Any = None
        self._socket: Any = None
        self._received = bytearray()
        self._said = bytearray()
        self._head = bytearray()
        self._frame_left = 0

    def begin(self) -> None:
        """Attach, start, and send the bootstrap in."""
        with self.engine.speaking():
            api = self.engine.api()
            wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            self._stream = api.attach_socket(self.name, params=wanted)
            self._socket = getattr(self._stream, "_sock", self._stream)
            self._socket.settimeout(0.05)
            api.start(self.name)
        source = _BOOTSTRAP.read_bytes() + b"\n"
        try:
            self._send(f"{len(source):8d}".encode() + source, time.monotonic() + PATIENCE_S, None)
        except Gone as error:
            raise SandboxError(f"the container does not start: {error}")

    def ask(
        self,
        request: dict[str, Any],
        *blobs: bytes,
        reply_bytes: int = 0,
        patience_s: float = PATIENCE_S,
        cancelled: Callable[[], bool] | None = None,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Send a record and wait for the one that answers it, with `reply_bytes` at most in it.

        Raises `Gone` when there is no such answer in time, and `Cancelled`.
        """
        deadline = time.monotonic() + patience_s
        text = json.dumps({**request, "sizes": [len(blob) for blob in blobs]}).encode()
        self._send(len(text).to_bytes(4, "big") + text + b"".join(blobs), deadline, cancelled)
        length = int.from_bytes(self._take(4, deadline, cancelled), "big")
        if length > 16_384:
            raise Gone("a record that is too long")
        try:
            head = json.loads(self._take(length, deadline, cancelled))
            sizes = head.pop("sizes")
            good = all(type(size) is int and size >= 0 for size in sizes)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            raise Gone("a record that cannot be read")
        if not good or len(sizes) > 8 or sum(sizes) > reply_bytes:
            raise Gone("a record of other sizes than asked for")
        return head, [self._take(size, deadline, cancelled) for size in sizes]

    def limit_memory(self, memory_mb: int) -> None:
        if memory_mb == self.memory_mb:
            return
        with self.engine.speaking():
            self.engine.api().update_container(
                self.name, mem_limit=memory_mb * _MIB, memswap_limit=memory_mb * _MIB
            )
        self.memory_mb = memory_mb

    def ended(self) -> Ended:
        """Ask the engine how it ended."""
        self.hang_up()
        with self.engine.speaking():
            state = self.engine.api().inspect_container(self.name)["State"]
        return Ended(bool(state.get("OOMKilled")), int(state.get("ExitCode", 0)))

    def remove(self) -> None:
        """The socket first: an engine that writes to one that nobody reads does not kill."""
        self.hang_up()
        self.engine.remove(self.name)

    def hang_up(self) -> None:
        """Say no more and listen no more; the bootstrap ends when it notices."""
        stream, self._stream, self._socket = self._stream, None, None
        if stream is None:
            return
        for part in (getattr(stream, "_response", None), stream, getattr(stream, "_sock", None)):
            if part is not None:
                with suppress(OSError, ValueError):
                    part.close()

    def _send(self, data: bytes, deadline: float, cancelled: Callable[[], bool] | None) -> None:
        left = memoryview(data)
        while left:
            _check(deadline, cancelled)
            try:
                left = left[self._socket.send(left[: 1 << 20]) :]
            except TimeoutError:
                continue
            except OSError as error:
                raise Gone(f"nobody listens: {error}")

    def _take(self, size: int, deadline: float, cancelled: Callable[[], bool] | None) -> bytes:
        while len(self._received) < size:
            _check(deadline, cancelled)
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise Gone(f"nobody answers: {error}")
            if not chunk:
                raise Gone(bytes(self._said[-500:]).decode("utf-8", "replace") or "it ended")
            self._unpack(chunk)
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _unpack(self, chunk: bytes) -> None:
        """Take the engine's framing off: 8 bytes of which stream and how long, then the bytes."""
        while chunk:
            if self._frame_left == 0:
                need = 8 - len(self._head)
                self._head += chunk[:need]
                chunk = chunk[need:]
                if len(self._head) == 8:
                    self._frame_left = int.from_bytes(self._head[4:], "big")
                    if self._frame_left == 0:
                        self._head.clear()
                continue
            part, chunk = chunk[: self._frame_left], chunk[self._frame_left :]
            self._frame_left -= len(part)
            if self._head[0] == 1:
                self._received += part
            else:
                self._said = (self._said + part)[-4096:]
            if self._frame_left == 0:
                self._head.clear()


def _check(deadline: float, cancelled: Callable[[], bool] | None) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled("the evaluation was cancelled")
    if time.monotonic() > deadline:
        raise Gone("no answer in time", late=True)
