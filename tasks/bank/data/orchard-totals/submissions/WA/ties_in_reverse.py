# Sorts (total, name) backwards as a whole, so that equal totals come in reverse alphabetical order.
import sys

lines = sys.stdin.read().splitlines()
n = int(lines[0])
weights = {}
for line in lines[1 : n + 1]:
    variety, grams = line.split()
    weights.setdefault(variety, []).append(int(grams))
rows = sorted(((sum(w), name, w) for name, w in weights.items()), reverse=True)
for total, name, baskets in rows:
    print(name, len(baskets), total, max(baskets))
if not rows:
    print("none")
