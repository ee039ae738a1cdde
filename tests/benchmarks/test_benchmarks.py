"""`make bench` measures what it says; nothing here is about how fast it is."""

from __future__ import annotations

import os
import subprocess
import sys

from neurogame.bootstrap import services
from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.processes import ROOT
from tests.tasks.sandbox_support import ENGINE


def test_line_shows_the_medians_and_their_ratio():
    figure = Figure("ingest", "events/s", [1000, 30_000, 2000], "peer", [500, 1000, 4000], True)
    assert figure.line().split("|")[1:] == [" peer: 1,000 ", " ratio 2.00 (more is better)"]
    assert figure.line().split("|")[0].split() == ["ingest", "2,000", "events/s"]


def test_quantile_is_a_value_that_was_measured():
    assert quantile([3, 1, 2, 4], 0.5) == 2
    assert quantile(range(1, 101), 0.95) == 95
    assert quantile([7], 0.95) == 7


# One check, one of a function, and a queue beside one bare loop and one for each slot; one check in
# a container where the tests have an engine.
JUDGED = (3 if (os.cpu_count() or 1) == 1 else 4) + bool(ENGINE)

# Batches thrice and single events; batches once more on PostgreSQL.
INGESTED = 4 + bool(services.postgres_programs())

# Rows of NDJSON and of CSV, the first byte, others' wait, on Linux the memory; on each database.
EXPORTED = (5 if sys.platform == "linux" else 4) * (2 if services.postgres_programs() else 1)


def test_every_figure_is_measured_and_printed():
    command = [sys.executable, "-m", "tests.benchmarks", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.endswith("median of 1 interleaved rounds")
    assert [line.split(",")[0].split()[0] for line in lines] == [
        *["ingest"] * INGESTED, *["export"] * EXPORTED, *["judging"] * JUDGED,
        *["board"] * 5, "chat", "chat", "training", "training",
    ]  # fmt: skip
    assert all(" | ratio " in line for line in lines)
