"""Asks this container's server for `/health`; the exit status says whether it is well."""

from __future__ import annotations

import http.client
import os
import sys
from urllib.parse import urlsplit


def host_header() -> str:
    """A host that the server allows: the first of ALLOWED_HOSTS, else PUBLIC_URL's."""
    for host in os.environ.get("ALLOWED_HOSTS", "").split(","):
        if host.strip() and "*" not in host:
            return host.strip().lstrip(".")
    return urlsplit(os.environ.get("PUBLIC_URL", "")).hostname or "127.0.0.1"


def main() -> int:
    port = int(os.environ.get("PORT") or 8000)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/health", headers={"Host": host_header()})
        return 0 if connection.getresponse().status == 200 else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
