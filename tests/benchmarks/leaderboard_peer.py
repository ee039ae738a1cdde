"""The peer of the leaderboard: the board as FastAPI and sqlite3 would have it, a GROUP BY each time.

It reads the very table of events that the product stored, and takes what a trial is out of its
JSON. It ranks on the plain shrunk mean, keeps nobody back and rates no items: it has less to do.

    PEER_DB=... python -m uvicorn tests.benchmarks.leaderboard_peer:app
"""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI

app = FastAPI()
local = threading.local()
POINTS = "CASE WHEN correct THEN 1 ELSE -1 END * (1 - min(rt_ms, 3000) / 3000.0)"
BOARD = f"""
SELECT user_id, count(*) AS tasks, sum(correct) AS correct, avg(rt_ms) AS avg_rt_ms,
       avg({POINTS}) AS mean, avg({POINTS} * {POINTS}) AS square
FROM trial WHERE {{where}} GROUP BY user_id HAVING count(*) >= ?
"""


@app.get("/v1/leaderboard")
def leaderboard(
    limit: int = 100,
    min_tasks: int = 30,
    window: str = "all",
    task_type: str | None = None,
    model_version: str | None = None,
) -> list[dict[str, Any]]:
    where, given = ["rt_ms >= 150"], []
    for name, value in (("task_type", task_type), ("model_version", model_version)):
        if value is not None:
            where.append(f"{name} = ?")
            given.append(value)
    if window != "all":
        first = datetime.now(UTC).date() - timedelta(days=0 if window == "day" else 6)
        where.append("effective_ts >= ?")
        given.append(f"{first} 00:00:00")
    sql = BOARD.format(where=" AND ".join(where))
    rows = database().execute(sql, [*given, max(1, min_tasks)]).fetchall()
    population = sum(row[4] for row in rows) / len(rows) if rows else 0.0
    board = []
    for user_id, tasks, correct, avg_rt_ms, mean, square in rows:
        weight = tasks / (tasks + 50)
        spread = max(0.0, square - mean * mean) / tasks
        board.append(
            {
                "user_id": user_id,
                "tasks": tasks,
                "correct": correct,
                "accuracy": round(correct / tasks, 4),
                "avg_rt_ms": round(avg_rt_ms, 1),
                "score": round(1000 * (population + weight * (mean - population)), 1),
                "score_se": round(1000 * weight * spread**0.5, 1),
                "provisional": tasks < 100,
            }
        )
    board.sort(key=lambda row: (-row["score"], row["user_id"]))
    return [{"rank": place + 1, **row} for place, row in enumerate(board[:limit])]


def database() -> sqlite3.Connection:
    """This thread's connection; the view takes what the trials are out of the stored JSON."""
    connection: sqlite3.Connection | None = getattr(local, "connection", None)
    if connection is None:
        connection = local.connection = sqlite3.connect(os.environ["PEER_DB"], timeout=10)
        connection.execute("PRAGMA cache_size=-16000")
        connection.execute(
            "CREATE TEMP VIEW trial AS SELECT user_id, effective_ts, model_version,"
            " raw ->> '$.payload.task_type' AS task_type,"
            " raw ->> '$.payload.correct' AS correct, raw ->> '$.payload.rt_ms' AS rt_ms"
            " FROM telemetry_gameevent WHERE event_type = 'task_result'"
        )
    return connection
