import sys
from collections import deque

_, _, *plan = sys.stdin.read().split()
height, width = len(plan), len(plan[0])


def to_printer(start):
    seen = {start}
    queue = deque([(*start, 0)])
    while queue:
        y, x, steps = queue.popleft()
        if plan[y][x] == "P":
            return steps
        for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= ny < height and 0 <= nx < width and plan[ny][nx] != "#" and (ny, nx) not in seen:
                seen.add((ny, nx))
                queue.append((ny, nx, steps + 1))
    return -1


desks = [to_printer((y, x)) for y in range(height) for x in range(width) if plan[y][x] == "D"]
print(max([0, *desks]), desks.count(-1))
