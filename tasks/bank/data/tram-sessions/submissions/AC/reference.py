import sys

lines = sys.stdin.read().splitlines()
n, gap = map(int, lines[0].split())
touches = {}
for line in lines[1 : n + 1]:
    card, time = line.split()
    touches.setdefault(card, []).append(int(time))
for card in sorted(touches):
    rides, longest = 0, 0
    start = previous = None
    for time in sorted(touches[card]):
        if previous is None or time - previous > gap:
            rides += 1
            start = time
        longest = max(longest, time - start)
        previous = time
    print(card, rides, longest)
