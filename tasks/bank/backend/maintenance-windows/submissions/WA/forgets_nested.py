# Takes the end of the latest window as the end of the outage, even when the window lies inside.
import sys

data = list(map(int, sys.stdin.read().split()))
n, horizon = data[0], data[1]
merged = []
for start, end in sorted(zip(data[2::2], data[3::2])):
    if merged and start <= merged[-1][1]:
        merged[-1][1] = end
    else:
        merged.append([start, end])
best = (0, None)
free_from = 0
for start, end in merged + [[horizon, horizon]]:
    if start - free_from > best[0]:
        best = (start - free_from, free_from)
    free_from = end
print("outages", len(merged))
print("downtime", sum(end - start for start, end in merged))
print("calm none" if best[1] is None else f"calm {best[1]} {best[0]}")
