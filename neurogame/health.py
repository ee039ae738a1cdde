"""`GET /health`: what works, within a second, whatever hangs.

Each app registers its check in `ready()`; checks run side by side in threads of their own and
one that does not answer in time counts as `"timeout"`.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from neurogame.problems import problem_response

Check = Callable[[], str]
TIMEOUT_S = 0.7
_checks: dict[str, tuple[Check, bool]] = {}
_reasons: dict[str, Check] = {}


def register(name: str, check: Check, *, vital: bool = False, reason: Check | None = None) -> None:
    """Add a check: it returns a short word, or raises. A `vital` one must return "ok".

    `reason` says, at once, why the word is not the wanted one; nothing when it is.
    """
    _checks[name] = (check, vital)
    if reason is not None:
        _reasons[name] = reason


def _database() -> str:
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return "ok"
    finally:
        connection.close()


@functools.cache
def _wanted() -> frozenset[tuple[str, str]]:
    """The migrations that this code has."""
    from django.db.migrations.loader import MigrationLoader

    return frozenset(MigrationLoader(None).graph.nodes)


def _migrations() -> str:
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    try:
        applied = MigrationRecorder(connection).applied_migrations()
        return "ok" if _wanted() <= applied.keys() else "missing"
    finally:
        connection.close()


register("database", _database, vital=True)
register("migrations", _migrations, vital=True)


def _settle(done: asyncio.Future[str], word: str) -> None:
    if not done.done():
        done.set_result(word)


def _run(check: Check, loop: asyncio.AbstractEventLoop, done: asyncio.Future[str]) -> None:
    try:
        word = check()
    except Exception as error:
        word = f"error: {type(error).__name__}"
    try:
        loop.call_soon_threadsafe(_settle, done, word)
    except RuntimeError:  # the loop is gone
        return


async def _outcome(name: str, check: Check) -> str:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()
    threading.Thread(
        target=_run, args=(check, loop, done), name=f"health-{name}", daemon=True
    ).start()
    try:
        return await asyncio.wait_for(done, TIMEOUT_S)
    except TimeoutError:
        return "timeout"


async def report() -> tuple[bool, dict[str, str]]:
    """(whether all vital checks are ok, the word of every check)."""
    names = list(_checks)
    words = await asyncio.gather(*(_outcome(name, _checks[name][0]) for name in names))
    checks = dict(zip(names, words, strict=True))
    ok = all(checks[name] == "ok" for name in names if _checks[name][1])
    return ok, checks


def _why() -> dict[str, dict[str, str]]:
    """What the answer gains when a check has something to explain."""
    reasons = {name: reason()[:500] for name, reason in _reasons.items()}
    reasons = {name: reason for name, reason in reasons.items() if reason}
    return {"reasons": reasons} if reasons else {}


@csrf_exempt
@require_safe
async def health(request: HttpRequest) -> JsonResponse:
    ok, checks = await report()
    if ok:
        response = JsonResponse({"ok": True, "checks": checks, **_why()})
    else:
        failed = ", ".join(
            name for name, (_run_it, vital) in _checks.items() if vital and checks[name] != "ok"
        )
        response = problem_response(
            "unavailable",
            _("Not ready: %(failed)s.") % {"failed": failed},
            retry_after=5,
            checks=checks,
        )
    response["Cache-Control"] = "no-store"
    return response
