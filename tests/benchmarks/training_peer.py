"""The peer of training: what somebody would write in an afternoon.

It reads the events with the standard library, makes the same features (item, task type, logarithms
of the player's solved and failed trials before), fits scikit-learn's logistic regression once on
the earlier three quarters and prints its log-loss on the rest. It takes no snapshot, chooses no
penalty, knows no other model, keeps no players apart, draws no bootstrap and registers nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import defaultdict

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

COUNTS = 6


def main() -> None:
    connection = sqlite3.connect(os.environ["NEUROGAME_DB_PATH"])
    query = "SELECT raw FROM telemetry_gameevent ORDER BY effective_ts, seq"
    columns: list[int] = []
    values: list[float] = []
    outcomes: list[bool] = []
    number: dict[str, int] = {}
    tallies: list[defaultdict[tuple[str, ...], list[int]]] = [
        defaultdict(lambda: [0, 0]) for _ in range(3)
    ]
    for (raw,) in connection.execute(query):
        event = json.loads(raw)
        payload = event["payload"]
        user, kind, item = event["user_id"], payload["task_type"], payload["item_id"]
        for name in (kind, f"{kind}/{item}"):
            columns.append(COUNTS + number.setdefault(name, len(number)))
            values.append(1.0)
        solved = payload["correct"] and payload["rt_ms"] is not None
        for level, key in enumerate(((user,), (user, kind), (user, kind, item))):
            tally = tallies[level][key]
            columns += (2 * level, 2 * level + 1)
            values += tally
            tally[not solved] += 1
        outcomes.append(solved)
    rows = len(outcomes)
    starts = np.arange(0, len(columns) + 1, COUNTS + 2)
    features = sparse.csr_matrix(
        (np.log1p(values) / np.log(2), columns, starts), shape=(rows, COUNTS + len(number))
    )
    known = np.array(outcomes)
    cut = rows * 3 // 4
    model = LogisticRegression(max_iter=1000).fit(features[:cut], known[:cut])
    print(log_loss(known[cut:], model.predict_proba(features[cut:])[:, 1]))


if __name__ == "__main__":
    main()
