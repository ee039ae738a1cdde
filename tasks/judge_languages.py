"""What a runner host says of its sandbox and its languages, for the web processes to read."""

from __future__ import annotations

import json
from typing import Any

from redis import Redis

from tasks.sandbox import get_sandbox
from tasks.sandbox.languages import LANGUAGES

KEY = "rq:judge:languages"
SANDBOX_KEY = "rq:judge:sandbox"
MAX_VERSION = 100


def announce(connection: Redis) -> None:
    """Say it, in the place of who has said it before. Raises RedisError, SandboxError."""
    sandbox = get_sandbox()
    connection.set(SANDBOX_KEY, sandbox.name)
    connection.set(KEY, json.dumps(dict(sandbox.languages())))


def announced_sandbox(connection: Redis) -> str:
    """`docker` or `bubblewrap`, whatever else stands there. Raises RedisError."""
    return "docker" if connection.get(SANDBOX_KEY) == b"docker" else "bubblewrap"


def announced(connection: Redis) -> dict[str, str] | None:
    """What the runner host that started last has, with versions; None when none has said so.

    Of what is there only what can be true counts: a host may be hostile. Raises RedisError.
    """
    data: Any = connection.get(KEY)
    try:
        found = json.loads(data)
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {
        name: version[:MAX_VERSION] if isinstance(version, str) else ""
        for name, version in found.items()
        if name in LANGUAGES
    }
