"""`make bench`: measures this machine, each figure beside a peer measured in the same run.

Rounds alternate between the product and its peers, so that whatever else the machine does hits
both; a line shows the medians. Nothing is asserted about times. All traffic stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys

import django

from tests.benchmarks.processes import environment, scratch

ON_REQUEST = ("crash", "storage")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only",
        choices=[
            *("ingest", "export", "judging", "docker", "chat", "leaderboard", "training"),
            *ON_REQUEST,
        ],
        help="one part alone; crash (twenty times kill -9) and storage (bytes an event) only run"
        " when they are named",
    )
    parser.add_argument(
        "--large", action="store_true", help="the board with 10 million events (some minutes, 7 GB)"
    )
    parser.add_argument(
        "--training-events",
        type=int,
        default=200_000,
        help="events that training reads (%(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each (%(default)s)")
    parser.add_argument(
        "--events", type=int, default=200_000, help="events to export (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="one small round: does it run?")
    options = parser.parse_args()
    rounds = 1 if options.quick else max(1, options.rounds)
    with scratch() as folder:
        os.environ.update(environment(folder))
        django.setup()
        from tests.benchmarks import (
            crash,
            export,
            ingest,
            judging,
            judging_docker,
            leaderboard,
            storage,
            stream,
            training,
        )
        from tests.benchmarks.processes import manage

        manage(folder, "migrate", "-v0")
        parts = {
            "ingest": lambda: ingest.measure(
                folder, rounds=rounds, requests=20 if options.quick else 500
            ),
            "export": lambda: export.measure(
                folder, rounds=rounds, events=2000 if options.quick else max(4, options.events)
            ),
            "judging": lambda: judging.measure(
                folder, rounds=rounds, checks=2 if options.quick else 200
            ),
            "docker": lambda: judging_docker.measure(folder, rounds=rounds),
            "leaderboard": lambda: leaderboard.measure(
                folder,
                sizes=board_sizes(options),
                requests=24 if options.quick else 3000,
                rounds=rounds,
                players=100 if options.quick else leaderboard.PLAYERS,
            ),
            "chat": lambda: stream.measure(folder, rounds=rounds, ticks=5 if options.quick else 50),
            "crash": lambda: crash.measure(folder, rounds=2 if options.quick else 20),
            "storage": lambda: storage.measure(folder, events=5000 if options.quick else 200_000),
            "training": lambda: training.measure(
                folder, rounds=rounds, events=4_000 if options.quick else options.training_events
            ),
        }
        print(
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()},"
            f" {os.cpu_count()} cores; median of {rounds} interleaved rounds"
        )
        for name, measure in parts.items():
            if options.only == name or (options.only is None and name not in ON_REQUEST):
                for figure in measure():
                    print(figure.line(), flush=True)
    return 0


def board_sizes(options: argparse.Namespace) -> tuple[int, int]:
    """Events in the two databases of the board."""
    if options.quick:
        return 200, 4000
    return (1_000_000, 10_000_000) if options.large else (200_000, 1_000_000)


if __name__ == "__main__":
    sys.exit(main())
