"""Where a request comes from, believing exactly `TRUSTED_PROXIES` proxies."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address of the client: the peer, or the entry that our own outermost proxy wrote.

    With n trusted proxies the n-th entry of `X-Forwarded-For` from the right is believed;
    whatever a client wrote itself stands further left and is never used.
    """
    peer = request.META.get("REMOTE_ADDR") or ""
    hops = settings.TRUSTED_PROXIES
    if not hops:
        return peer
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if len(forwarded) < hops or not forwarded[-hops]:
        return peer
    try:
        return str(ipaddress.ip_address(forwarded[-hops]))
    except ValueError:
        return peer
