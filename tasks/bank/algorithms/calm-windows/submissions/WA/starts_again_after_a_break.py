import sys

n, d, *readings = map(int, sys.stdin.read().split())
begin = calm = 0
high = low = readings[0]
for end, reading in enumerate(readings):
    high, low = max(high, reading), min(low, reading)
    if high - low > d:
        begin, high, low = end, reading, reading
    calm += end - begin + 1
print(calm)
