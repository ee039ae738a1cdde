# Leaves out shelves and toys whose sums are all 0.
def pivot(facts):
    sums = {}
    for shelf, toy, pieces in facts:
        sums[shelf, toy] = sums.get((shelf, toy), 0) + pieces
    sums = {pair: value for pair, value in sums.items() if value}
    columns = sorted({toy for _, toy in sums})
    rows = []
    for shelf in sorted({shelf for shelf, _ in sums}):
        cells = [sums.get((shelf, toy), 0) for toy in columns]
        rows.append({"shelf": shelf, "cells": cells, "total": sum(cells)})
    totals = [sum(row["cells"][i] for row in rows) for i in range(len(columns))]
    return {"columns": columns, "rows": rows, "totals": totals}
