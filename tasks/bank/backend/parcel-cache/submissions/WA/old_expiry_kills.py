# A record of an earlier expiry removes the entry although a later put has prolonged it.
import heapq
import sys
from collections import OrderedDict

lines = sys.stdin.read().splitlines()
capacity, q = map(int, lines[0].split())
cache = OrderedDict()
due = []
hits = misses = evicted = expired = 0
for line in lines[1 : q + 1]:
    time, command, key, *rest = line.split()
    now = int(time)
    while due and due[0][0] <= now:
        _, old = heapq.heappop(due)
        if old in cache:
            del cache[old]
            expired += 1
    if command == "get":
        if key in cache:
            hits += 1
            cache.move_to_end(key)
            print(cache[key])
        else:
            misses += 1
            print("-")
    else:
        if key not in cache and len(cache) == capacity:
            cache.popitem(last=False)
            evicted += 1
        cache[key] = rest[0]
        cache.move_to_end(key)
        heapq.heappush(due, (now + int(rest[1]), key))
print(hits, misses, evicted, expired)
