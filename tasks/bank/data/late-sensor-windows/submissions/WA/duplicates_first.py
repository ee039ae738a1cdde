# Asks about duplicates before it asks whether the window is closed.
import heapq
import sys

lines = sys.stdin.read().splitlines()
n, width, lateness = map(int, lines[0].split())
windows = {}  # number -> buoy -> heights
order = []  # a heap of the numbers in `windows`
accepted = set()
watermark = None
late = duplicates = 0
out = []


def report():
    number = heapq.heappop(order)
    for buoy, heights in sorted(windows.pop(number).items()):
        out.append(f"{number * width} {buoy} {len(heights)} {sum(heights)} {max(heights)}")


for line in lines[1 : n + 1]:
    reading, buoy, text, height = line.split()
    time = int(text)
    number = time // width
    if reading in accepted:
        duplicates += 1
        continue
    if watermark is not None and (number + 1) * width <= watermark:
        late += 1
        continue
    accepted.add(reading)
    if number not in windows:
        windows[number] = {}
        heapq.heappush(order, number)
    windows[number].setdefault(buoy, []).append(int(height))
    if watermark is None or time - lateness > watermark:
        watermark = time - lateness
        while order and (order[0] + 1) * width <= watermark:
            report()
while order:
    report()
out.append(f"late {late} duplicates {duplicates}")
print("\n".join(out))
