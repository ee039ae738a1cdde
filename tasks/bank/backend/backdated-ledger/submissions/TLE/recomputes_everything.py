# Recomputes the balance of every later day from all standing transfers for each command.
import sys

lines = sys.stdin.read().splitlines()
n, m = map(int, lines[0].split())
transfers, standing = [], []


def balance(account, day):
    total = 0
    for (when, payer, receiver, amount), stands in zip(transfers, standing):
        if stands and when <= day:
            if payer == account:
                total -= amount
            elif receiver == account:
                total += amount
    return total


def broken(account, day):
    days = {t[0] for t, stands in zip(transfers, standing) if stands and t[0] >= day}
    return account != 0 and any(balance(account, d) < 0 for d in days | {day})


for line in lines[1 : m + 1]:
    command, *rest = line.split()
    numbers = list(map(int, rest))
    if command == "B":
        print(balance(numbers[1], numbers[0]))
    elif command == "T":
        transfers.append(numbers)
        standing.append(True)
        standing[-1] = not broken(numbers[1], numbers[0])
        print("ok" if standing[-1] else "no")
    else:
        index = numbers[0] - 1
        fine = standing[index]
        if fine:
            standing[index] = False
            if broken(transfers[index][2], transfers[index][0]):
                standing[index], fine = True, False
        print("ok" if fine else "no")
