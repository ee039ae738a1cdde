# Overwrites a cell instead of adding to it.
def pivot(facts):
    cells = {(shelf, toy): pieces for shelf, toy, pieces in facts}
    columns = sorted({toy for _, toy in cells})
    rows = []
    for shelf in sorted({shelf for shelf, _ in cells}):
        line = [cells.get((shelf, toy), 0) for toy in columns]
        rows.append({"shelf": shelf, "cells": line, "total": sum(line)})
    totals = [sum(column) for column in zip(*(row["cells"] for row in rows))]
    return {"columns": columns, "rows": rows, "totals": totals}
