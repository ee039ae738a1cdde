"""Runs inside the sandbox: makes tables by a script, runs a query over them, prints its rows.

    sql_driver.py [--check] solution.sql

Standard input is the script; standard output one JSON object `{"columns": [...], "rows": [[...]]}`
and a newline, of the last statement that returns rows. Blobs are hexadecimal texts. With `--check`
nothing is run: statements that no tables could make right are refused.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

_READABLE = ("table_info", "table_xinfo", "table_list", "index_list", "index_info")
_NEVER_RIGHT = re.compile(r'unrecognized token|incomplete input|near ".*": syntax error$', re.S)
_NESTED = 'near "explain": syntax error'
_COMMENT = re.compile(r"--[^\n]*|/\*.*?(\*/|$)", re.S)


def _main() -> None:
    with open(sys.argv[-1], "rb") as file:
        source = file.read().decode("utf-8", "replace").removeprefix("\ufeff")
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    if "--check" in sys.argv:
        _check(database, source)
        return
    script = sys.stdin.buffer.read().decode("utf-8", "replace")
    for statement in _statements(script):
        _run(database, statement)
    database.set_authorizer(_authorize)
    columns: list[str] = []
    rows: list[list[object]] = []
    for statement in _statements(source):
        cursor = _run(database, statement)
        if cursor.description is not None:
            columns = [column[0] for column in cursor.description]
            rows = [[_plain(value) for value in row] for row in _rows(cursor)]
    answer = json.dumps({"columns": columns, "rows": rows}, ensure_ascii=False)
    sys.stdout.buffer.write(answer.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def _check(database: sqlite3.Connection, source: str) -> None:
    if not sqlite3.complete_statement(source + "\n;"):
        _fail("the last statement is incomplete")
    for statement in _statements(source):
        try:
            database.execute("EXPLAIN " + statement)
        except sqlite3.Error as error:
            if _NEVER_RIGHT.match(str(error)) and str(error).lower() != _NESTED:
                _fail(str(error))


def _statements(text: str) -> Iterator[str]:
    """The statements of `text`, each up to its semicolon."""
    begin = end = 0
    while (end := text.find(";", end) + 1) > 0:
        if sqlite3.complete_statement(text[begin:end]):
            yield text[begin:end]
            begin = end
    if _COMMENT.sub("", text[begin:]).strip():
        yield text[begin:]


def _run(database: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
    try:
        return database.execute(statement)
    except MemoryError:
        _fail("MemoryError")
    except (sqlite3.Error, ValueError) as error:
        _fail(str(error))


def _rows(cursor: sqlite3.Cursor) -> list[tuple[object, ...]]:
    try:
        return cursor.fetchall()
    except MemoryError:
        _fail("MemoryError")
    except sqlite3.Error as error:
        _fail(str(error))


def _authorize(
    action: int, first: str | None, second: str | None, _database: str | None, _inner: str | None
) -> int:
    """Only the tables that are there: no other database, no setting, no code from elsewhere."""
    refused = action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
    refused |= action == sqlite3.SQLITE_PRAGMA and (first or "").lower() not in _READABLE
    refused |= action == sqlite3.SQLITE_FUNCTION and (second or "").lower() == "load_extension"
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        _fail("the result holds an infinite number")
    return value


def _fail(message: str) -> NoReturn:
    sys.stderr.write(message + "\n")
    sys.exit(1)


if __name__ == "__main__":
    _main()
