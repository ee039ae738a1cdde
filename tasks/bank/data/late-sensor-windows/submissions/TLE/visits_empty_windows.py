# Closes windows one number after another, the empty ones included.
import sys

lines = sys.stdin.read().splitlines()
n, width, lateness = map(int, lines[0].split())
windows, accepted = {}, set()
watermark, first_open = None, 0
late = duplicates = last = 0


def report(number):
    for buoy, heights in sorted(windows.get(number, {}).items()):
        print(number * width, buoy, len(heights), sum(heights), max(heights))


for line in lines[1 : n + 1]:
    reading, buoy, text, height = line.split()
    time = int(text)
    number = time // width
    if number < first_open:
        late += 1
    elif reading in accepted:
        duplicates += 1
    else:
        accepted.add(reading)
        last = max(last, number)
        windows.setdefault(number, {}).setdefault(buoy, []).append(int(height))
        watermark = time - lateness if watermark is None else max(watermark, time - lateness)
        while (first_open + 1) * width <= watermark:
            report(first_open)
            first_open += 1
for number in range(first_open, last + 1):
    report(number)
print("late", late, "duplicates", duplicates)
