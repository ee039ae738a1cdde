import sys

data = list(map(int, sys.stdin.read().split()))
n, horizon = data[0], data[1]
windows = sorted(zip(data[2 : 2 + 2 * n : 2], data[3 : 3 + 2 * n : 2]))

merged = []
for start, end in windows:
    if merged and start <= merged[-1][1]:
        merged[-1][1] = max(merged[-1][1], end)
    else:
        merged.append([start, end])

best_start, best_length = None, 0
free_from = 0
for start, end in merged + [[horizon, horizon]]:
    if start - free_from > best_length:
        best_start, best_length = free_from, start - free_from
    free_from = end

print("outages", len(merged))
print("downtime", sum(end - start for start, end in merged))
print("calm none" if best_start is None else f"calm {best_start} {best_length}")
