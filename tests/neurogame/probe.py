"""A tiny ASGI application behind the real server, started by the server's tests as a process.

It prints its port as the first line and writes the request log to standard error.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging.config
import sys
from typing import Any
from urllib.parse import parse_qs

from neurogame.requestlog import RequestLog, logging_config

LIMITS = {"": 1 << 20, "/big/": 32 << 20, "/small/": 1000}


async def application(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"]
    query = {name: value[0] for name, value in parse_qs(scope["query_string"].decode()).items()}

    async def start(content_type: str = "application/json", status: int = 200) -> None:
        headers = [(b"Content-Type", content_type.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def part(body: bytes, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": more})

    if path == "/stream":
        await start("text/event-stream")
        await part(b": open\n\n")
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if path == "/flood":
        await start("application/x-ndjson")
        chunk = b"x" * 65536
        for _index in range(int(query["chunks"])):
            await part(chunk)
        await part(b"", more=False)
        return
    if path == "/boom":
        raise RuntimeError("planned: password=hunter2")
    if path == "/boom-late":
        await start()
        await part(b"half")
        raise RuntimeError("planned, late")
    if path == "/slow":
        await asyncio.sleep(float(query["s"]))
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        if not message.get("more_body"):
            break
    answer = {
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "path": path,
        "root_path": scope["root_path"],
        "method": scope["method"],
        "type": scope["type"],
    }
    await start()
    await part(json.dumps(answer).encode(), more=False)


def main() -> None:
    from neurogame import httpd
    from neurogame.server import serve

    if "--hurried" in sys.argv:  # the tests do not wait for the real times
        httpd.HEADER_SECONDS, httpd.BODY_SECONDS, httpd.IDLE_SECONDS = 2.0, 2.5, 4.0
        httpd.STALL_SECONDS = 1.0
    logging.config.dictConfig(logging_config(debug=False, level="INFO"))
    serve(
        RequestLog(application, proxies=int("--trust" in sys.argv)),
        host="127.0.0.1",
        port=0,
        body_limits=LIMITS,
        grace_s=1.0 if "--short-grace" in sys.argv else 30.0,
        ready=lambda host, port: print(port, flush=True),
    )


if __name__ == "__main__":
    main()
