import math
import sys

n, k, *days = map(int, sys.stdin.read().split())
seen = {0: 1}
total = neat = 0
for parts in days:
    total += parts
    remainder = math.fmod(total, k)
    neat += seen.get(remainder, 0)
    seen[remainder] = seen.get(remainder, 0) + 1
print(neat)
