"""When a signal happened by our clock, from the client's time and its arrival."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta


def skew(times: Iterable[tuple[datetime | None, datetime]]) -> timedelta:
    """How far the client's clock is behind ours, at most: the least delay between the two.

    `times` are pairs of the client's time and the arrival. The least of `arrival - client's time`
    is the skew plus the quickest delivery, so no corrected time lies after its arrival (the
    one-way form of the filter in Mills, RFC 5905, section 10). Zero without a pair.
    """
    delays = [received - ts for ts, received in times if ts is not None]
    return min(delays, default=timedelta())


def corrected(
    ts: datetime | None, received_at: datetime, behind: timedelta, *, not_before: datetime
) -> datetime:
    """The time of a signal by our clock; its arrival where the client's time cannot be right."""
    if ts is None:
        return received_at
    try:
        at = ts + behind
    except OverflowError:
        return received_at
    return at if not_before <= at <= received_at else received_at
