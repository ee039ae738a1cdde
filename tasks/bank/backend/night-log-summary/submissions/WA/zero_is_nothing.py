# Starts from 0 ms, so a log in which every request took 0 ms has no slowest one.
import sys

lines = sys.stdin.read().splitlines()
n = int(lines[0])
counts = [0] * 6
best_path, best_ms = "-", 0
for line in lines[1 : n + 1]:
    _, path, status, ms = line.split()
    counts[int(status) // 100] += 1
    if int(ms) > best_ms:
        best_path, best_ms = path, int(ms)
for digit in range(2, 6):
    print(f"{digit}xx {counts[digit]}")
print("slowest -" if best_path == "-" else f"slowest {best_path} {best_ms}")
