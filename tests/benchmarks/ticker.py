"""What both stream servers do: publish the time at a steady rate, when told to."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable


def tick_when_told(publish: Callable[[int], None]) -> None:
    """Read `COUNT INTERVAL` from standard input and call `publish` so often, in a thread.

    `publish` gets the time in nanoseconds of the clock that all processes of a machine share.
    """

    def work() -> None:
        for line in sys.stdin:
            count, interval = line.split()
            for _number in range(int(count)):
                publish(time.monotonic_ns())
                time.sleep(float(interval))

    threading.Thread(target=work, name="ticker", daemon=True).start()
