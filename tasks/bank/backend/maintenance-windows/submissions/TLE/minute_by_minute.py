# Asks about every minute of the horizon.
import sys

data = list(map(int, sys.stdin.read().split()))
n, horizon = data[0], data[1]
windows = list(zip(data[2::2], data[3::2]))
outages = downtime = 0
best_start, best_length = None, 0
calm_from, was_down = 0, False
until = 0
by_start = {}
for start, end in windows:
    by_start[start] = max(end, by_start.get(start, 0))
for minute in range(horizon):
    if minute in by_start:
        until = max(until, by_start[minute])
    down = minute < until
    if down:
        downtime += 1
        if not was_down:
            outages += 1
    else:
        if was_down:
            calm_from = minute
        if minute + 1 - calm_from > best_length:
            best_start, best_length = calm_from, minute + 1 - calm_from
    was_down = down
print("outages", outages)
print("downtime", downtime)
print("calm none" if best_start is None else f"calm {best_start} {best_length}")
