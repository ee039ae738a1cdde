"""`GET /health`: what works, within a second, whatever hangs.

Each app registers its check in `ready()`; checks run side by side in threads of their own and
one that does not answer in time counts as `"timeout"`.
"""

from __future__ import annotations

import asyncio
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


def register(name: str, check: Check, *, vital: bool = False) -> None:
    """Add a check: it returns a short word, or raises. A `vital` one must return "ok"."""
    _checks[name] = (check, vital)


def _database() -> str:
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return "ok"
    finally:
        connection.close()


_migrated = False


def _migrations() -> str:
    global _migrated
    if _migrated:
        return "ok"
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        _migrated = not missing
        return "missing" if missing else "ok"
    finally:
        connection.close()


register("database", _database, vital=True)
register("migrations", _migrations, vital=True)


def _run(check: Check, loop: asyncio.AbstractEventLoop, done: asyncio.Future[str]) -> None:
    try:
        word = check()
    except Exception as error:
        word = f"error: {type(error).__name__}"
    try:
        loop.call_soon_threadsafe(lambda: done.cancelled() or done.set_result(word))
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


@csrf_exempt
@require_safe
async def health(request: HttpRequest) -> JsonResponse:
    ok, checks = await report()
    if ok:
        response = JsonResponse({"ok": True, "checks": checks})
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
