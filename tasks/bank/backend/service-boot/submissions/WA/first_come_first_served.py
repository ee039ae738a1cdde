# Serves startable services in the order in which they became startable, not by name.
import heapq
import sys
from collections import deque

lines = sys.stdin.read().splitlines()
n, k = map(int, lines[0].split())
seconds, missing, dependants = {}, {}, {}
for line in lines[1 : n + 1]:
    name, duration, *dependencies = line.split()
    seconds[name] = int(duration)
    missing[name] = len(dependencies)
    for dependency in dependencies:
        dependants.setdefault(dependency, []).append(name)
startable = deque(sorted(name for name in seconds if missing[name] == 0))
running, started = [], []
now, free = 0, k
while True:
    while free and startable:
        name = startable.popleft()
        started.append((now, name))
        heapq.heappush(running, (now + seconds[name], name))
        free -= 1
    if not running:
        break
    now = running[0][0]
    fresh = []
    while running and running[0][0] == now:
        _, name = heapq.heappop(running)
        free += 1
        for dependant in dependants.get(name, ()):
            missing[dependant] -= 1
            if missing[dependant] == 0:
                fresh.append(dependant)
    startable.extend(sorted(fresh))
for moment, name in sorted(started):
    print(name, moment)
stuck = sorted(seconds.keys() - {name for _, name in started})
print("stuck " + " ".join(stuck) if stuck else f"ready {now}")
