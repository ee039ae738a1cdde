row = input().strip()
best, first, run = 0, 0, 0
for seat, mark in enumerate(row, start=1):
    if mark == ".":
        run += 1
        continue
    if run > best:
        best, first = run, seat - run
    run = 0
print(best, first)
