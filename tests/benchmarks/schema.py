"""The table of events as the product's own database has it, for what is compared with it."""

from __future__ import annotations

import sqlite3

TABLES = """
CREATE TABLE IF NOT EXISTS event (
    seq integer NOT NULL PRIMARY KEY AUTOINCREMENT, event_id varchar(128) NOT NULL UNIQUE,
    event_type varchar(64) NOT NULL, event_ts datetime NULL, effective_ts datetime NOT NULL,
    received_at datetime NOT NULL, user_id varchar(128) NOT NULL,
    session_id varchar(128) NOT NULL, model_version varchar(128) NOT NULL,
    client_version varchar(128) NOT NULL, flags varchar(200) NOT NULL,
    raw text NOT NULL, api_key_id bigint NULL);
CREATE INDEX IF NOT EXISTS event_user ON event (user_id, seq);
CREATE INDEX IF NOT EXISTS event_type ON event (event_type, seq);
CREATE INDEX IF NOT EXISTS event_received ON event (received_at);
CREATE TABLE IF NOT EXISTS quarantine (position integer, reason text, raw text);
"""
INSERT = (
    "INSERT INTO event (event_id, event_type, event_ts, effective_ts, received_at, user_id,"
    " session_id, model_version, client_version, flags, raw)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"
)
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-16000",
    "PRAGMA temp_store=MEMORY",
)


def open_database(path: str) -> sqlite3.Connection:
    """A connection with the product's durability, in autocommit mode; the tables are made."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    connection.executescript(TABLES)
    return connection
