"""Ids of events that were deleted: deduplication has no time window, a deletion ends none.

A tombstone is 16 bytes of BLAKE2b of an `event_id`: it says that the id was seen, and nothing of
the player or of what was played. Ten billion of them share a digest with a chance of 1.5e-19.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from hashlib import blake2b

from django.db import connection

from telemetry.models import Tombstone

# Lookups go in parts: every database takes so many parameters.
PART = 500
_any = False


def digest_of(event_id: str) -> uuid.UUID:
    """The tombstone of an id."""
    data = event_id.encode("utf-8", "surrogatepass")
    return uuid.UUID(bytes=blake2b(data, digest_size=16).digest())


def bury(event_ids: Iterable[str]) -> None:
    """Remember ids, in the transaction that deletes their events."""
    digests = [digest_of(event_id) for event_id in event_ids]
    prepare = Tombstone._meta.pk.get_db_prep_value
    table = connection.ops.quote_name(Tombstone._meta.db_table)
    with connection.cursor() as cursor:
        for start in range(0, len(digests), PART):
            part = [prepare(digest, connection) for digest in digests[start : start + PART]]
            rows = ", ".join(["(%s)"] * len(part))
            cursor.execute(
                f"INSERT INTO {table} (digest) VALUES {rows} ON CONFLICT DO NOTHING",  # noqa: S608
                part,
            )


def buried(event_ids: Collection[str]) -> set[str]:
    """Those of `event_ids` whose event was stored once and deleted since.

    For the transaction that inserts, under its lock. Where nothing was ever deleted it costs one
    look at an empty table, afterwards a lookup by primary key for each id.
    """
    global _any
    if not event_ids:
        return set()
    # Tombstones are never removed: once there is one, this process need not ask again.
    _any = _any or Tombstone.objects.exists()
    if not _any:
        return set()
    by_digest = {digest_of(event_id): event_id for event_id in event_ids}
    digests = list(by_digest)
    return {
        by_digest[digest]
        for start in range(0, len(digests), PART)
        for digest in Tombstone.objects.filter(pk__in=digests[start : start + PART]).values_list(
            "pk", flat=True
        )
    }
