row = input().strip()
best, first, run = 0, 0, 0
for seat, mark in enumerate(row, start=1):
    run = run + 1 if mark == "." else 0
    if run and run >= best:
        best, first = run, seat - run + 1
print(best, first)
