# Evicts the oldest entry: a get does not count as a use.
import sys

lines = sys.stdin.read().splitlines()
capacity, q = map(int, lines[0].split())
cache = {}
hits = misses = evicted = expired = 0
for line in lines[1 : q + 1]:
    time, command, key, *rest = line.split()
    now = int(time)
    for old in [k for k, (_, expiry) in cache.items() if expiry <= now]:
        del cache[old]
        expired += 1
    if command == "get":
        if key in cache:
            hits += 1
            print(cache[key][0])
        else:
            misses += 1
            print("-")
    else:
        if key in cache:
            del cache[key]
        elif len(cache) == capacity:
            del cache[next(iter(cache))]
            evicted += 1
        cache[key] = (rest[0], now + int(rest[1]))
print(hits, misses, evicted, expired)
