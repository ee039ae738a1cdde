import sys
from collections import deque

_, _, *plan = sys.stdin.read().split()
height, width = len(plan), len(plan[0])
distance = {(y, x): 0 for y in range(height) for x in range(width) if plan[y][x] == "P"}
queue = deque(distance)
while queue:
    y, x = queue.popleft()
    if plan[y][x] == "D":
        continue
    for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
        if 0 <= ny < height and 0 <= nx < width and plan[ny][nx] != "#" and (ny, nx) not in distance:
            distance[ny, nx] = distance[y, x] + 1
            queue.append((ny, nx))
desks = [(y, x) for y in range(height) for x in range(width) if plan[y][x] == "D"]
reached = [distance[desk] for desk in desks if desk in distance]
print(max(reached, default=0), len(desks) - len(reached))
