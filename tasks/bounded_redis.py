"""A Redis client that reads no reply beyond a bound, whatever others have written to the server."""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis._parsers import _RESP2Parser
from redis.exceptions import InvalidResponse

MAX_REPLY = 64 * 1024 * 1024
LINE_BYTES = 16  # of each number, length or status that a reply consists of


class BoundedParser(_RESP2Parser):
    """Counts the bytes of a reply while it is read, before memory is taken for them.

    redis-py has no such setting; its parsers are private, so `tests/tasks/test_judge_queue.py`
    shows that this one holds.
    """

    def on_connect(self, connection: Any) -> None:
        super().on_connect(connection)
        self._left = MAX_REPLY
        buffer: Any = self._buffer
        read, readline = buffer.read, buffer.readline

        def bounded_read(length: int, **options: Any) -> bytes:
            self._spend(length)
            return read(length, **options)

        def bounded_readline(**options: Any) -> bytes:
            self._spend(LINE_BYTES)
            return readline(**options)

        buffer.read, buffer.readline = bounded_read, bounded_readline

    def read_response(self, *args: Any, **options: Any) -> Any:
        self._left = MAX_REPLY
        return super().read_response(*args, **options)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise InvalidResponse(f"a reply of over {MAX_REPLY} bytes")


def bounded(url: str, **options: Any) -> Redis:
    """A client of the server at `url`, whose replies end at `MAX_REPLY` with `InvalidResponse`."""
    return Redis.from_url(url, parser_class=BoundedParser, protocol=2, **options)
