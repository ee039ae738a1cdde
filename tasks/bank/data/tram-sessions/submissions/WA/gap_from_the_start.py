# Measures the gap from the first touch of the ride, not from the previous touch.
import sys

lines = sys.stdin.read().splitlines()
n, gap = map(int, lines[0].split())
touches = {}
for line in lines[1 : n + 1]:
    card, time = line.split()
    touches.setdefault(card, []).append(int(time))
for card in sorted(touches):
    rides, longest, start = 0, 0, None
    for time in sorted(touches[card]):
        if start is None or time - start > gap:
            rides += 1
            start = time
        longest = max(longest, time - start)
    print(card, rides, longest)
