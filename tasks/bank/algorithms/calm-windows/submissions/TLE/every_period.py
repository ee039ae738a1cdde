import sys

n, d, *readings = map(int, sys.stdin.read().split())
calm = 0
for begin in range(n):
    high = low = readings[begin]
    for end in range(begin, n):
        reading = readings[end]
        if reading > high:
            high = reading
        if reading < low:
            low = reading
        if high - low > d:
            break
        calm += 1
print(calm)
