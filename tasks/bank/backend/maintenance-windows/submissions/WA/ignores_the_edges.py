# Looks for calm only between outages and after the last one, not before the first.
import sys

data = list(map(int, sys.stdin.read().split()))
n, horizon = data[0], data[1]
merged = []
for start, end in sorted(zip(data[2::2], data[3::2])):
    if merged and start <= merged[-1][1]:
        merged[-1][1] = max(end, merged[-1][1])
    else:
        merged.append([start, end])
best = (0, None)
for (_, left), (right, _) in zip(merged, merged[1:] + [[horizon, horizon]]):
    if right - left > best[0]:
        best = (right - left, left)
print("outages", len(merged))
print("downtime", sum(end - start for start, end in merged))
print("calm none" if best[1] is None else f"calm {best[1]} {best[0]}")
