import sys

n, d, *readings = map(int, sys.stdin.read().split())
begin = calm = 0
for end, reading in enumerate(readings):
    while abs(readings[begin] - reading) > d:
        begin += 1
    calm += end - begin + 1
print(calm)
