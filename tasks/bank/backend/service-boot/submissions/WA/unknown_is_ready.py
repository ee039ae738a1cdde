# Ignores dependencies that are not in the list.
import heapq
import sys

lines = sys.stdin.read().splitlines()
n, k = map(int, lines[0].split())
rows = [line.split() for line in lines[1 : n + 1]]
seconds = {row[0]: int(row[1]) for row in rows}
missing = {row[0]: sum(d in seconds for d in row[2:]) for row in rows}
dependants = {name: [] for name in seconds}
for row in rows:
    for dependency in row[2:]:
        if dependency in seconds:
            dependants[dependency].append(row[0])
startable = sorted(name for name in seconds if missing[name] == 0)
running, started = [], {}
now, free = 0, k
while True:
    while free and startable:
        name = heapq.heappop(startable)
        started[name] = now
        heapq.heappush(running, (now + seconds[name], name))
        free -= 1
    if not running:
        break
    now = running[0][0]
    while running and running[0][0] == now:
        _, name = heapq.heappop(running)
        free += 1
        for dependant in dependants[name]:
            missing[dependant] -= 1
            if missing[dependant] == 0:
                heapq.heappush(startable, dependant)
for name, moment in started.items():
    print(name, moment)
stuck = sorted(seconds.keys() - started.keys())
print("stuck " + " ".join(stuck) if stuck else f"ready {now}")
