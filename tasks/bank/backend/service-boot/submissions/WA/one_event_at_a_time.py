# Hands out a slot after each single end, before the other ends of the same moment are processed.
import heapq
import sys

lines = sys.stdin.read().splitlines()
n, k = map(int, lines[0].split())
seconds, missing, dependants = {}, {}, {}
for line in lines[1 : n + 1]:
    name, duration, *dependencies = line.split()
    seconds[name] = int(duration)
    missing[name] = len(dependencies)
    for dependency in dependencies:
        dependants.setdefault(dependency, []).append(name)
startable = sorted(name for name in seconds if missing[name] == 0)
running, started = [], []
now, free = 0, k
while True:
    while free and startable:
        name = heapq.heappop(startable)
        started.append((now, name))
        heapq.heappush(running, (now + seconds[name], name))
        free -= 1
    if not running:
        break
    now, name = heapq.heappop(running)
    free += 1
    for dependant in dependants.get(name, ()):
        missing[dependant] -= 1
        if missing[dependant] == 0:
            heapq.heappush(startable, dependant)
started.sort()
for moment, name in started:
    print(name, moment)
stuck = sorted(seconds.keys() - {name for _, name in started})
print("stuck " + " ".join(stuck) if stuck else f"ready {now}")
