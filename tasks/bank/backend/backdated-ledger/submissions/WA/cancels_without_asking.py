# Cancels a standing transfer without looking at what the receiver has spent.
import sys

lines = sys.stdin.read().splitlines()
n, m = map(int, lines[0].split())
changes = [{} for _ in range(n + 1)]


def lowest_from(account, day):
    balance, low = 0, None
    for when, change in sorted(changes[account].items()):
        if when > day and low is None:
            low = balance
        balance += change
        if when >= day:
            low = balance if low is None else min(low, balance)
    return balance if low is None else low


def move(day, payer, receiver, amount):
    if payer and lowest_from(payer, day) < amount:
        return False
    changes[payer][day] = changes[payer].get(day, 0) - amount
    changes[receiver][day] = changes[receiver].get(day, 0) + amount
    return True


transfers, standing = [], []
for line in lines[1 : m + 1]:
    command, *rest = line.split()
    numbers = list(map(int, rest))
    if command == "B":
        day, account = numbers
        print(sum(c for when, c in changes[account].items() if when <= day))
    elif command == "T":
        transfers.append(numbers)
        standing.append(move(*numbers))
        print("ok" if standing[-1] else "no")
    else:
        index = numbers[0] - 1
        day, payer, receiver, amount = transfers[index]
        fine = standing[index]
        if fine:
            changes[receiver][day] -= amount
            changes[payer][day] += amount
            standing[index] = False
        print("ok" if fine else "no")
