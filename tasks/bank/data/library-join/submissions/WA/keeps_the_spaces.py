# Ignores case, but not the spaces around a reader id.
import sys


def table(lines):
    header = [field.strip() for field in lines[0].split(",")]
    return [dict(zip(header, line.split(","))) for line in lines[1:]]


def normal(reader_id):
    return reader_id.lower()


lines = sys.stdin.read().split("\n")
r, b = map(int, lines[0].split())
readers = table(lines[1 : r + 2])
loans = {}
for loan in table(lines[r + 2 : r + b + 3]):
    loans.setdefault(normal(loan["reader_id"]), []).append(loan)

for reader in readers:
    who = f"{reader['name'].strip()},{reader['city'].strip()}"
    of_reader = loans.pop(normal(reader["reader_id"]), [])
    for loan in of_reader:
        print(f"{who},{loan['loan_id'].strip()},{loan['days'].strip()}")
    if not of_reader:
        print(f"{who},-,0")
print("orphans", sum(map(len, loans.values())))
