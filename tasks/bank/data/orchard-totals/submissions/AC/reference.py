import sys

lines = sys.stdin.read().splitlines()
n = int(lines[0])
weights = {}
for line in lines[1 : n + 1]:
    variety, grams = line.split()
    weights.setdefault(variety, []).append(int(grams))
for variety in sorted(weights, key=lambda name: (-sum(weights[name]), name)):
    baskets = weights[variety]
    print(variety, len(baskets), sum(baskets), max(baskets))
if not weights:
    print("none")
