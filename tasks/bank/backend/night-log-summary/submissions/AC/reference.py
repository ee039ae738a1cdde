import sys

lines = sys.stdin.read().splitlines()
n = int(lines[0])
counts = {"2": 0, "3": 0, "4": 0, "5": 0}
slowest = None
for line in lines[1 : n + 1]:
    _, path, status, ms = line.split()
    counts[status[0]] += 1
    if slowest is None or int(ms) > slowest[1]:
        slowest = (path, int(ms))
for digit, count in counts.items():
    print(f"{digit}xx {count}")
print("slowest -" if slowest is None else f"slowest {slowest[0]} {slowest[1]}")
