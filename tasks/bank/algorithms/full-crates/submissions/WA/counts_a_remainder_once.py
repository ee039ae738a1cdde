import sys

n, k, *days = map(int, sys.stdin.read().split())
seen = {0}
total = neat = 0
for parts in days:
    total = (total + parts) % k
    neat += total in seen
    seen.add(total)
print(neat)
