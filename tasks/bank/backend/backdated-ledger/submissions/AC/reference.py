import sys
from bisect import bisect_right


class Account:
    """Changes by day in a segment tree: sums, and the smallest prefix sum of each node."""

    def __init__(self, days):
        self.days = sorted(days)
        self.size = 1
        while self.size < len(self.days):
            self.size *= 2
        self.total = [0] * (2 * self.size)
        self.low = [0] * (2 * self.size)

    def leaf(self, day):
        return self.size + bisect_right(self.days, day) - 1

    def add(self, day, amount):
        node = self.leaf(day)
        total, low = self.total, self.low
        total[node] += amount
        low[node] += amount
        node //= 2
        while node:
            left, right = 2 * node, 2 * node + 1
            total[node] = total[left] + total[right]
            low[node] = min(low[left], total[left] + low[right])
            node //= 2

    def lowest_from(self, day):
        node = self.leaf(day)
        before, here, low = 0, self.total[node], self.low[node]
        while node > 1:
            if node % 2:
                before += self.total[node - 1]
            else:
                low = min(low, here + self.low[node + 1])
                here += self.total[node + 1]
            node //= 2
        return before + low

    def balance(self, day):
        position = bisect_right(self.days, day)
        if not position:
            return 0
        node = self.size + position - 1
        balance = self.total[node]
        while node > 1:
            if node % 2:
                balance += self.total[node - 1]
            node //= 2
        return balance


lines = sys.stdin.read().splitlines()
n, m = map(int, lines[0].split())
commands = [(line[0], list(map(int, line.split()[1:]))) for line in lines[1 : m + 1]]
days = [set() for _ in range(n + 1)]
for command, numbers in commands:
    if command == "T":
        days[numbers[1]].add(numbers[0])
        days[numbers[2]].add(numbers[0])
accounts = [Account(of_account) for of_account in days]

transfers, standing = [], []
out = []
for command, numbers in commands:
    if command == "B":
        out.append(str(accounts[numbers[1]].balance(numbers[0])))
        continue
    if command == "T":
        day, payer, receiver, amount = numbers
        fine = payer == 0 or accounts[payer].lowest_from(day) >= amount
        transfers.append(numbers)
        standing.append(fine)
    else:
        index = numbers[0] - 1
        day, receiver, payer, amount = transfers[index]
        fine = standing[index] and (payer == 0 or accounts[payer].lowest_from(day) >= amount)
        if fine:
            standing[index] = False
    if fine:
        accounts[payer].add(day, -amount)
        accounts[receiver].add(day, amount)
    out.append("ok" if fine else "no")
print("\n".join(out))
