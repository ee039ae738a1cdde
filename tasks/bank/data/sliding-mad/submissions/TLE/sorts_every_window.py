# Sorts every window and every list of distances afresh.
import sys

data = list(map(int, sys.stdin.read().split()))
n, k, c = data[:3]
readings = data[3 : 3 + n]
half = (k - 1) // 2


outliers, total = [], 0
for i in range(k, n):
    window = readings[i - k : i]
    median = sorted(window)[half]
    spread = sorted(abs(x - median) for x in window)[half]
    total += spread
    if abs(readings[i] - median) > c * spread:
        outliers.append(i + 1)
print(len(outliers))
print(*(outliers or ["none"]))
print(total)
