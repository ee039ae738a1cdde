import sys

n, k, *days = map(int, sys.stdin.read().split())
seen = {0: 1}
total = neat = 0
for parts in days:
    total = (total + parts) % k
    neat += seen.get(total, 0)
    seen[total] = seen.get(total, 0) + 1
print(neat)
