"""A selection as an asynchronous stream of bytes: read in a thread, sent by the loop.

One page is read ahead while the one before it is sent; no more, so that a slow client slows the
reading down. When the client leaves, the statement under way is ended and the connection closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import zlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from telemetry.export import Selection
from telemetry.export_formats import KINDS, Writer
from telemetry.export_source import source_of

logger = logging.getLogger(__name__)

READERS = 4  # pages that are read at one time in this process, whatever the number of clients
WHOLE = 1 << 20  # an answer up to this size is sent with its length
GZIP_LEVEL = 1  # the level that still keeps up with the database
ASK_AGAIN_S = 0.2  # an interruption may come before the statement that it is meant for

_readers = ThreadPoolExecutor(READERS, thread_name_prefix="export")
_ends = ThreadPoolExecutor(2, thread_name_prefix="export-end")


class Reader:
    """One export as bytes: `read` until it returns None, or `stop`.

    `selection.as_of` must be set. Nothing is opened before the first `read`; a failure of the
    database is raised by the `read` that met it, and ends the export.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        form: str,
        limit: int | None = None,
        gzip: bool = False,
        watch: Callable[[Reader], None] | None = None,
    ) -> None:
        self.source = source_of(selection)
        self.size = 0  # bytes so far, before gzip
        self.is_whole = False
        self._make = lambda: KINDS[form].writer(self.source, limit=limit)
        self._gzip = zlib.compressobj(GZIP_LEVEL, wbits=31) if gzip else None
        self._watch = watch
        self._writer: Writer | None = None
        self._done = self._stopped = False
        self._reading = threading.Lock()

    @property
    def rows(self) -> int:
        """Events so far."""
        return 0 if self._writer is None else self._writer.rows

    @property
    def ended(self) -> bool:
        return self._done or self._stopped

    def read(self) -> bytes | None:
        """The next bytes, never empty; None at the end."""
        with self._reading:
            try:
                while not self.ended:
                    if data := self._packed(self._next()):
                        return data
                return None
            except BaseException:
                self._done = True
                raise
            finally:
                self.source.close() if self.ended else self.source.pause()
                self._tell()

    def _next(self) -> bytes:
        if self._writer is None:
            self._writer = self._make()
            return self._writer.begin()
        page = self._writer.page()
        if page is None:
            page = self._writer.end()
            self._done = self.is_whole = True
        return page

    def _tell(self) -> None:
        """Tell whoever watches; a cache that is away stops no export."""
        try:
            if self._watch is not None:
                self._watch(self)
        except Exception:
            logger.exception("the progress of an export could not be kept")
            self._watch = None

    def _packed(self, data: bytes) -> bytes:
        """Through gzip up to the last byte, so that nothing waits in it."""
        self.size += len(data)
        if self._gzip is None:
            return data
        if self._done:
            return self._gzip.compress(data) + self._gzip.flush()
        return self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH) if data else b""

    def stop(self) -> None:
        """End what another thread reads and close the connection. Waits for that."""
        self._stopped = True
        self.source.interrupt()
        while not self._reading.acquire(timeout=ASK_AGAIN_S):
            self.source.interrupt()
        try:
            self.source.close()
            self._tell()
        finally:
            self._reading.release()


class Stream:
    """All that a reader reads, after what was read already, for a streaming answer."""

    def __init__(self, reader: Reader, begun: bytes = b"") -> None:
        self.reader = reader
        self.begun = begun

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        ahead = _read(self.reader)
        try:
            if self.begun:
                yield self.begun
            while (data := await ahead) is not None:
                ahead = _read(self.reader)
                yield data
        finally:
            ahead.add_done_callback(_seen)
            self.close()

    def close(self) -> None:
        """End the reading, without waiting for that. Django calls it, too."""
        _ends.submit(self.reader.stop)


async def begin(reader: Reader) -> tuple[bytes, bool]:
    """(what is read first, whether that is all): up to `WHOLE` bytes, or a little more."""
    parts: list[bytes] = []
    size = 0
    try:
        while size <= WHOLE:
            data = await _read(reader)
            if data is None:
                return b"".join(parts), True
            parts.append(data)
            size += len(data)
    except BaseException:
        _ends.submit(reader.stop)
        raise
    return b"".join(parts), False


def _read(reader: Reader) -> asyncio.Future[bytes | None]:
    return asyncio.get_running_loop().run_in_executor(_readers, reader.read)


def _seen(future: asyncio.Future[Any]) -> None:
    """What an abandoned read raised interests nobody."""
    with contextlib.suppress(BaseException):
        future.exception()
