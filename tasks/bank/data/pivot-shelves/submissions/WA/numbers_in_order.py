# Sorts labels that look like numbers by their numeric value.
def pivot(facts):
    def order(label):
        return (0, int(label), label) if label.isdigit() else (1, 0, label)

    sums = {}
    for shelf, toy, pieces in facts:
        sums[shelf, toy] = sums.get((shelf, toy), 0) + pieces
    columns = sorted({toy for _, toy in sums}, key=order)
    rows = []
    for shelf in sorted({shelf for shelf, _ in sums}, key=order):
        cells = [sums.get((shelf, toy), 0) for toy in columns]
        rows.append({"shelf": shelf, "cells": cells, "total": sum(cells)})
    totals = [sum(row["cells"][i] for row in rows) for i in range(len(columns))]
    return {"columns": columns, "rows": rows, "totals": totals}
