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

startable = [name for name in seconds if missing[name] == 0]
heapq.heapify(startable)
running = []
started = {}
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
        for dependant in dependants.get(name, ()):
            missing[dependant] -= 1
            if missing[dependant] == 0:
                heapq.heappush(startable, dependant)

for name, moment in started.items():
    print(name, moment)
stuck = sorted(seconds.keys() - started.keys())
print("stuck " + " ".join(stuck) if stuck else f"ready {now}")
