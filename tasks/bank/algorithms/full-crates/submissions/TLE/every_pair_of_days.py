import sys

n, k, *days = map(int, sys.stdin.read().split())
neat = 0
for first in range(n):
    total = 0
    for last in range(first, n):
        total += days[last]
        if total % k == 0:
            neat += 1
print(neat)
