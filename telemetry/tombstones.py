"""Ids of events that were deleted: deduplication has no time window, a deletion ends none.

A tombstone is 16 bytes of BLAKE2b of an `event_id`: it says that the id was seen, and nothing of
the player or of what was played. Ten billion of them share a digest with a chance of 1.5e-19.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

from django.db import connection

from telemetry.models import Tombstone

# Statements go in parts: every database takes so many parameters.
PART = 500
TABLE = Tombstone._meta.db_table
_any = False


def digest_of(event_id: str) -> str:
    """The tombstone of an id, in hex."""
    return blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def bury(event_ids: Iterable[str]) -> None:
    """Remember ids, in the transaction that deletes their events."""
    digests = [digest_of(event_id) for event_id in event_ids]
    with connection.cursor() as cursor:
        for start in range(0, len(digests), PART):
            part = digests[start : start + PART]
            rows = ", ".join(["(%s)"] * len(part))
            cursor.execute(
                f"INSERT INTO {TABLE} (digest) VALUES {rows} ON CONFLICT DO NOTHING",  # noqa: S608
                part,
            )


def buried(event_ids: Collection[str]) -> set[str]:
    """Those of `event_ids` whose event was stored once and deleted since.

    For the transaction that inserts, under its lock; one call for a whole commit does. Where
    nothing was ever deleted it costs one look at an empty table, afterwards a lookup by primary key
    for each id.
    """
    global _any
    if not event_ids:
        return set()
    with connection.cursor() as cursor:
        if not _any:
            cursor.execute(f"SELECT 1 FROM {TABLE} LIMIT 1")  # noqa: S608
            # Tombstones are never removed: once there is one, this process need not ask again.
            _any = cursor.fetchone() is not None
            if not _any:
                return set()
        by_digest = {digest_of(event_id): event_id for event_id in event_ids}
        digests = list(by_digest)
        found: set[str] = set()
        for start in range(0, len(digests), PART):
            part = digests[start : start + PART]
            if connection.vendor == "postgresql":
                text = f"SELECT digest FROM {TABLE} WHERE digest = ANY(%s::uuid[])"  # noqa: S608
                cursor.execute(text, [part])
                found.update(by_digest[row[0].hex] for row in cursor.fetchall())
            else:
                marks = ", ".join(["%s"] * len(part))
                cursor.execute(
                    f"SELECT digest FROM {TABLE} WHERE digest IN ({marks})",  # noqa: S608
                    part,
                )
                found.update(by_digest[row[0]] for row in cursor.fetchall())
    return found
