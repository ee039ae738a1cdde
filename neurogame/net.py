"""Where a request comes from, believing exactly `TRUSTED_PROXIES` proxies."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address of the client: the peer, or the entry that our own outermost proxy wrote."""
    peer = request.META.get("REMOTE_ADDR") or ""
    return believed(peer, request.META.get("HTTP_X_FORWARDED_FOR", ""), settings.TRUSTED_PROXIES)


def believed(peer: str, forwarded_for: str, hops: int) -> str:
    """Whom to believe of `peer` and the entries of `X-Forwarded-For`.

    With n trusted proxies the n-th entry from the right is believed; whatever a client wrote
    itself stands further left and is never used.
    """
    if not hops:
        return peer
    forwarded = [part.strip() for part in forwarded_for.split(",")]
    if len(forwarded) < hops or not forwarded[-hops]:
        return peer
    try:
        return str(ipaddress.ip_address(forwarded[-hops]))
    except ValueError:
        return peer
