"""What each app does when the web process has begun to serve, and before it ends.

Apps register in their `ready()`; `manage.py serve` calls. Each start runs in a thread of its own,
so that none delays the first answer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connections

logger = logging.getLogger(__name__)

Hook = Callable[[], object]
_starts: list[Hook] = []
_stops: list[Hook] = []


def on_start(hook: Hook) -> None:
    """Run `hook` once the process serves."""
    _starts.append(hook)


def on_stop(hook: Hook) -> None:
    """Run `hook` when the process has stopped serving."""
    _stops.append(hook)


def _guarded(hook: Hook) -> None:
    try:
        hook()
    except Exception:
        logger.exception("%s.%s failed", hook.__module__, getattr(hook, "__qualname__", hook))
    finally:
        connections.close_all()


def start() -> None:
    """Run the start hooks, each in a thread."""
    for hook in _starts:
        name = f"start-{hook.__module__}"
        threading.Thread(target=_guarded, args=(hook,), name=name, daemon=True).start()


def stop() -> None:
    """Run the stop hooks, one after the other."""
    for hook in _stops:
        _guarded(hook)
