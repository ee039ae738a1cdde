"""The peer of the stream: FastAPI, a queue for each listener, and nothing that could be missed
later. It checks no rights, keeps no log and cannot resume.

    python -m tests.benchmarks.stream_peer PORT
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from tests.benchmarks.ticker import tick_when_told

app = FastAPI()
queues: set[asyncio.Queue[str]] = set()
loops: list[asyncio.AbstractEventLoop] = []


@app.get("/chat/stream")
async def stream() -> StreamingResponse:
    if not loops:
        loops.append(asyncio.get_running_loop())
    return StreamingResponse(frames(), media_type="text/event-stream")


async def frames() -> AsyncIterator[str]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    queues.add(queue)
    try:
        yield "retry: 1500\n\n"
        while True:
            yield await queue.get()
    finally:
        queues.discard(queue)


def publish(at: int) -> None:
    frame = f"event: tick\ndata: {json.dumps({'at': at})}\n\n"

    def hand_out() -> None:
        for queue in queues:
            queue.put_nowait(frame)

    loops[0].call_soon_threadsafe(hand_out)


if __name__ == "__main__":
    tick_when_told(publish)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
