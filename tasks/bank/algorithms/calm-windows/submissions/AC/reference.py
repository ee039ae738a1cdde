import sys
from collections import deque

n, d, *readings = map(int, sys.stdin.read().split())
falling, rising = deque(), deque()
begin = calm = 0
for end, reading in enumerate(readings):
    while falling and readings[falling[-1]] <= reading:
        falling.pop()
    falling.append(end)
    while rising and readings[rising[-1]] >= reading:
        rising.pop()
    rising.append(end)
    while readings[falling[0]] - readings[rising[0]] > d:
        begin += 1
        if falling[0] < begin:
            falling.popleft()
        if rising[0] < begin:
            rising.popleft()
    calm += end - begin + 1
print(calm)
