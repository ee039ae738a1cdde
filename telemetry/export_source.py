"""Pages of a selection, read from SQLite or PostgreSQL over a connection of its own.

No transaction outlives a page: a client that reads slowly pins neither SQLite's write-ahead log
nor a snapshot of PostgreSQL. NDJSON is put together by the database itself, which takes neither
the interpreter's time nor its lock; a page that holds anything odd is written by `event_line`
instead, in the same bytes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import CharField, QuerySet
from django.db.models.expressions import RawSQL

from telemetry.export import SUSPECT, Row, Selection, event_line
from telemetry.models import GameEvent

MAX_ROWS = 256  # a page: 8 MiB of the largest events, 100 KiB of usual ones
MIN_ROWS = 16
PAGE_BYTES = 128 << 10
_AFTER = -1  # stands in a compiled statement for the `seq` that a page begins after
_ODD = "\x03"  # what the database answers for a row that it leaves to `event_line`
_PLAIN = "-A-Za-z0-9._+ "  # characters of a client version that JSON needs no escape for
_SUSPECT = [word.encode() for word in SUSPECT]


class Source:
    """One selection, page by page. One thread at a time may read; `interrupt` is for another.

    `selection.as_of` must be set. Raises what the database raises.
    """

    moments: str  # SQL that writes a column of times as ISO 8601
    line: str  # SQL of an event's line

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.size = MAX_ROWS
        self.stopped = False
        self._statements: dict[tuple[int, bool], tuple[str, list[Any]]] = {}
        self._connection: Any = None

    # --- the connection ---

    @property
    def connection(self) -> Any:
        if self._connection is None:
            self._connection = connections.create_connection(DEFAULT_DB_ALIAS)
            self._connection.inc_thread_sharing()
        return self._connection

    def pause(self) -> None:
        """What is held between two pages is given back."""
        if self._connection is not None:
            self._connection.queries_log.clear()  # development keeps every statement

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def interrupt(self) -> None:
        """End the statement that another thread is waiting for."""
        self.stopped = True

    # --- pages ---

    def lines(self, after: int, most: int | None) -> tuple[bytes, int, int]:
        """The next page as NDJSON: (bytes, rows, last seq). No rows: (b"", 0, `after`)."""
        count = self.size if most is None else min(most, self.size)
        data, rows = self._lines(*self._statement(count, after, True))
        if not rows:
            return b"", 0, after
        if self._is_odd(data, rows):
            found = self.rows(after, count)
            if not found:  # deleted in between
                return b"", 0, after
            data = "".join(event_line(row) + "\n" for row in found).encode()
            rows, last = len(found), found[-1].seq
        else:
            begin = data.rfind(b"\n", 0, -1) + 1 + len(b'{"seq":')
            last = int(data[begin : data.index(b",", begin)])
        self._adapt(len(data), rows)
        return data, rows, last

    def rows(self, after: int, most: int | None) -> list[Row]:
        """The next page as rows."""
        count = self.size if most is None else min(most, self.size)
        found = self._rows(*self._statement(count, after, False))
        self._adapt(sum(len(row.raw) for row in found), len(found))
        return found

    def count(self) -> int:
        """How many events the filters select up to the snapshot, whatever `after` is."""
        return int(self._value("SELECT count(*) FROM ({}) chosen", self.selection.events()))

    def has_more(self, after: int) -> bool:
        """Whether an event of the selection comes after a `seq`."""
        events = self.selection.events().filter(seq__gt=after)
        return bool(self._value("SELECT EXISTS ({})", events))

    def _value(self, statement: str, events: QuerySet[GameEvent]) -> Any:
        query = events.order_by().values_list("seq").query
        sql, parameters = query.get_compiler(connection=self.connection).as_sql()
        with self.connection.cursor() as cursor:
            cursor.execute(statement.format(sql), parameters)
            return cursor.fetchone()[0]

    @staticmethod
    def _is_odd(data: bytes, rows: int) -> bool:
        """Whether a line of the page differs from what `event_line` would write.

        Each line holds every name of the server once, from the server itself.
        """
        if _ODD.encode() in data or b"\r" in data or data.count(b"\n") != rows:
            return True
        *names, escape = _SUSPECT
        return escape in data or any(data.count(name) != rows for name in names)

    def _adapt(self, size: int, rows: int) -> None:
        """Pages of about `PAGE_BYTES`; powers of two, so that few statements are compiled."""
        wanted = PAGE_BYTES * rows // max(size, 1)
        while self.size < MAX_ROWS and self.size * 2 <= wanted:
            self.size *= 2
        while self.size > MIN_ROWS and self.size > wanted:
            self.size //= 2

    def _statement(self, count: int, after: int, as_lines: bool) -> tuple[str, list[Any]]:
        key = (count, as_lines)
        if key not in self._statements:
            self._statements[key] = self._compiled(count, self._columns(as_lines))
        sql, parameters = self._statements[key]
        return sql, [after if value == _AFTER else value for value in parameters]

    def _compiled(self, count: int, columns: list[str]) -> tuple[str, list[Any]]:
        names = {
            f"c{number}": RawSQL(sql, [], CharField())  # noqa: S611 - our own text
            for number, sql in enumerate(columns)
        }
        page = self.selection.events().filter(seq__gt=_AFTER).annotate(**names)
        query = page.values_list(*names)[:count].query
        sql, parameters = query.get_compiler(connection=self.connection).as_sql()
        return sql, list(parameters)

    def _columns(self, as_lines: bool) -> list[str]:
        if as_lines:
            return [self.line]
        moments = ("received_at", "effective_ts", "event_ts")
        return [self.moments.format(name) if name in moments else name for name in Row._fields]

    # --- a database ---

    def _lines(self, sql: str, parameters: list[Any]) -> tuple[bytes, int]:
        raise NotImplementedError

    def _rows(self, sql: str, parameters: list[Any]) -> list[Row]:
        raise NotImplementedError


def _line(*, moments: str, is_plain: str, odd: str) -> str:
    """SQL of an event's line, for both databases."""
    return (
        f"CASE WHEN substr(raw, 1, 1) = '{{' AND {is_plain} THEN"
        f""" '{{"seq":' || seq || ',"received_at":"' || {moments.format("received_at")}"""
        f""" || '","effective_ts":"' || {moments.format("effective_ts")}"""
        """ || '","client_version":"' || client_version || '","flags":['"""
        """ || CASE flags WHEN '' THEN '' ELSE '"' || replace(flags, ',', '","') || '"' END"""
        f""" || '],' || substr(raw, 2) ELSE {odd} END"""
    )


class SQLiteSource(Source):
    """A page is one step of one statement."""

    moments = "replace({}, ' ', 'T') || 'Z'"
    line = _line(
        moments=f"({moments})",
        is_plain=f"client_version NOT GLOB '*[^{_PLAIN}]*'",
        odd=f"char({ord(_ODD)})",
    )
    # The rows come in the order of the inner statement.
    PAGE = "SELECT count(*), CAST(group_concat(c0 || char(10), '') AS BLOB) FROM ({})"

    @property
    def connection(self) -> Any:
        fresh = self._connection is None or self._connection.connection is None
        opened = super().connection
        if fresh:
            opened.ensure_connection()
            # Looked at by the statement itself, so that no interruption comes too early for it.
            opened.connection.set_progress_handler(lambda: self.stopped, 100_000)
        return opened

    def _lines(self, sql: str, parameters: list[Any]) -> tuple[bytes, int]:
        with self.connection.cursor() as cursor:
            cursor.execute(self.PAGE.format(sql), parameters)
            rows, data = cursor.fetchone()
        return data or b"", rows

    def _rows(self, sql: str, parameters: list[Any]) -> list[Row]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return [Row(*row) for row in cursor.fetchall()]


class PostgresSource(Source):
    """A page is one `COPY`; its connection goes back to the pool in between."""

    moments = (
        "replace(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || 'Z',"
        " '.000000Z', 'Z')"
    )
    line = _line(
        moments=moments, is_plain=f"client_version !~ '[^{_PLAIN}]'", odd=f"chr({ord(_ODD)})"
    )
    # The rows come in the order of the inner statement.
    COPY_LINES = (
        "COPY (SELECT count(*), convert_to(string_agg(c0 || chr(10), ''), 'UTF8')"
        " FROM ({}) page) TO STDOUT (FORMAT binary)"
    )
    COPY_ROWS = "COPY ({}) TO STDOUT (FORMAT binary)"
    TYPES = ("int8", *["text"] * (len(Row._fields) - 1))

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection)
        # What is cancelled must still be ours: from the pool others get it at once.
        self._giving_back = threading.Lock()

    def pause(self) -> None:
        super().pause()
        self.close()

    def close(self) -> None:
        with self._giving_back:
            super().close()

    def interrupt(self) -> None:
        super().interrupt()
        with self._giving_back:
            waiting = self._connection.connection if self._connection is not None else None
            if waiting is not None:
                with contextlib.suppress(Exception):  # it may have ended, or be gone
                    waiting.cancel_safe(timeout=5)

    @contextlib.contextmanager
    def _copy(self, statement: str, parameters: list[Any]) -> Iterator[Any]:
        """A `COPY`, on psycopg's cursor: Django's for development takes no parameters."""
        connection = self.connection
        with (
            connection.cursor() as cursor,
            connection.wrap_database_errors,
            cursor.cursor.copy(statement, parameters) as copy,
        ):
            yield copy

    def _lines(self, sql: str, parameters: list[Any]) -> tuple[bytes, int]:
        with self._copy(self.COPY_LINES.format(sql), parameters) as copy:
            copy.set_types(("int8", "bytea"))
            ((rows, data),) = copy.rows()
        return data or b"", rows

    def _rows(self, sql: str, parameters: list[Any]) -> list[Row]:
        with self._copy(self.COPY_ROWS.format(sql), parameters) as copy:
            copy.set_types(self.TYPES)
            return [Row(*row) for row in copy.rows()]


SOURCES: dict[str, Callable[[Selection], Source]] = {
    "sqlite": SQLiteSource,
    "postgresql": PostgresSource,
}


def source_of(selection: Selection) -> Source:
    """A source for the database that is configured."""
    return SOURCES[connections[DEFAULT_DB_ALIAS].vendor](selection)
