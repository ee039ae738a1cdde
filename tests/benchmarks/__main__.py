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


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only", choices=["ingest", "export", "judging", "docker", "chat"], help="one part alone"
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
        from tests.benchmarks import export, ingest, judging, judging_docker, stream
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
            "chat": lambda: stream.measure(folder, rounds=rounds, ticks=5 if options.quick else 50),
        }
        print(
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()},"
            f" {os.cpu_count()} cores; median of {rounds} interleaved rounds"
        )
        for name, measure in parts.items():
            if options.only in (None, name):
                for figure in measure():
                    print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
