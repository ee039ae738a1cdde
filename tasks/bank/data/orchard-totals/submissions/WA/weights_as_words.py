# Finds the heaviest basket by comparing the weights as strings.
import sys

lines = sys.stdin.read().splitlines()
n = int(lines[0])
weights = {}
for line in lines[1 : n + 1]:
    variety, grams = line.split()
    weights.setdefault(variety, []).append(grams)
totals = {name: sum(map(int, w)) for name, w in weights.items()}
for name in sorted(totals, key=lambda name: (-totals[name], name)):
    print(name, len(weights[name]), totals[name], max(weights[name]))
if not weights:
    print("none")
