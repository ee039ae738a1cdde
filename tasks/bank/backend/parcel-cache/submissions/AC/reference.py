import heapq
import sys
from collections import OrderedDict

lines = sys.stdin.read().splitlines()
capacity, q = map(int, lines[0].split())
cache = OrderedDict()  # key -> (value, expiry), the one used longest ago first
due = []  # (expiry, key); may hold records of entries that are gone
hits = misses = evicted = expired = 0
out = []
for line in lines[1 : q + 1]:
    time, command, key, *rest = line.split()
    now = int(time)
    while due and due[0][0] <= now:
        expiry, old = heapq.heappop(due)
        if old in cache and cache[old][1] == expiry:
            del cache[old]
            expired += 1
    if command == "get":
        if key in cache:
            hits += 1
            cache.move_to_end(key)
            out.append(cache[key][0])
        else:
            misses += 1
            out.append("-")
    else:
        if key in cache:
            del cache[key]
        elif len(cache) == capacity:
            cache.popitem(last=False)
            evicted += 1
        cache[key] = (rest[0], now + int(rest[1]))
        heapq.heappush(due, (now + int(rest[1]), key))
out.append(f"{hits} {misses} {evicted} {expired}")
print("\n".join(out))
