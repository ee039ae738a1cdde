# Notices that an entry has expired only when it is asked for, so that dead entries hold places.
import sys
from collections import OrderedDict

lines = sys.stdin.read().splitlines()
capacity, q = map(int, lines[0].split())
cache = OrderedDict()
hits = misses = evicted = expired = 0
last = 0
for line in lines[1 : q + 1]:
    time, command, key, *rest = line.split()
    last = now = int(time)
    if key in cache and cache[key][1] <= now:
        del cache[key]
        expired += 1
    if command == "get":
        if key in cache:
            hits += 1
            cache.move_to_end(key)
            print(cache[key][0])
        else:
            misses += 1
            print("-")
    else:
        if key in cache:
            del cache[key]
        elif len(cache) == capacity:
            cache.popitem(last=False)
            evicted += 1
        cache[key] = (rest[0], now + int(rest[1]))
expired += sum(1 for _, expiry in cache.values() if expiry <= last)
print(hits, misses, evicted, expired)
