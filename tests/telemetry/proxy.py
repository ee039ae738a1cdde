"""A network that can be broken: a TCP proxy in front of a server, with a fault that a test chooses."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

FAULTS = ("refused", "silent", "request cut", "answer stalled", "answer cut", "answer mangled")


class Proxy:
    """Passes bytes between 127.0.0.1:`port` and the server's port, or does what `fault` says.

    refused: connections are reset at once; silent: they are accepted and nothing is ever passed on;
    request cut: reset after 300 bytes of the request; answer stalled: the request arrives, its
    answer never comes back; answer cut: reset after 40 bytes of it; answer mangled: somebody else
    answers, with 200 and a page. `met` counts the connections that met the fault.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.fault = ""
        self.met = 0
        self.changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/events"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut_all()

    def break_(self, fault: str) -> None:
        """From now on; connections that stand are cut."""
        with self.changed:
            self.fault, self.met = fault, 0
        self._cut_all()

    def heal(self) -> None:
        self.break_("")

    def wait_until_met(self, times: int = 1, timeout: float = 60.0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.met >= times, timeout), self.fault

    # --- inside ---

    def _cut_all(self) -> None:
        for one in list(self._open):
            self._reset(one)

    def _reset(self, one: socket.socket) -> None:
        """Close with RST, as a cable that is pulled and put back."""
        self._open.discard(one)
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.shutdown(socket.SHUT_RDWR)
        one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _meet(self) -> None:
        with self.changed:
            self.met += 1
            self.changed.notify_all()

    def _serve(self, client: socket.socket) -> None:
        fault = self.fault
        if fault:
            self._meet()
        if fault == "refused":
            self._reset(client)
            return
        if fault == "silent":
            return
        if fault == "answer mangled":
            with contextlib.suppress(OSError):
                client.recv(65536)
                page = b"<h1>Welcome to our Wi-Fi</h1>"
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                client.sendall(head % len(page) + page)
            self._reset(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=30)
        except OSError:
            self._reset(client)
            return
        server.settimeout(None)
        self._open.add(server)
        limit = 300 if fault == "request cut" else None
        threading.Thread(target=self._pass, args=(client, server, limit), daemon=True).start()
        if fault == "answer stalled":
            with contextlib.suppress(OSError):
                while server.recv(65536):
                    pass
            return
        self._pass(server, client, 40 if fault == "answer cut" else None)

    def _pass(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        """Pass bytes on, at most `limit` of them, then reset both ends."""
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                part = data if limit is None else data[: limit - passed]
                sink.sendall(part)
                passed += len(part)
                if limit is not None and passed >= limit:
                    break
            else:
                sink.shutdown(socket.SHUT_WR)
                return
        self._reset(source)
        self._reset(sink)
