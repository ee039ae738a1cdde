import sys
from collections import deque

_, _, *plan = sys.stdin.read().split()
height, width = len(plan), len(plan[0])
distance = [[-1] * width for _ in range(height)]
queue = deque()
for y in range(height):
    for x in range(width):
        if plan[y][x] == "P":
            distance[y][x] = 0
            queue.append((y, x))
while queue:
    y, x = queue.popleft()
    for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
        if 0 <= ny < height and 0 <= nx < width and plan[ny][nx] != "#" and distance[ny][nx] < 0:
            distance[ny][nx] = distance[y][x] + 1
            queue.append((ny, nx))
desks = [distance[y][x] for y in range(height) for x in range(width) if plan[y][x] == "D"]
print(max([0, *desks]), desks.count(-1))
