# Advances the clock by one second at a time.
import sys

lines = sys.stdin.read().splitlines()
n, k = map(int, lines[0].split())
rows = [line.split() for line in lines[1 : n + 1]]
seconds = {row[0]: int(row[1]) for row in rows}
needs = {row[0]: set(row[2:]) for row in rows}
waiting = sorted(seconds)
running, ready, last = {}, set(), 0
now = 0
while True:
    done = [name for name, end in running.items() if end == now]
    for name in done:
        del running[name]
        ready.add(name)
        last = now
    if now == 0 or done:
        for name in list(waiting):
            if len(running) < k and needs[name] <= ready:
                waiting.remove(name)
                running[name] = now + seconds[name]
                print(name, now)
    if not running:
        break
    now += 1
print("stuck " + " ".join(waiting) if waiting else f"ready {last}")
