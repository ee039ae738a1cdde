import heapq
import sys

numbers = list(map(int, sys.stdin.read().split()))
n, m, k = numbers[:3]
lines = [[] for _ in range(n + 1)]
for i in range(3, 3 + 3 * m, 3):
    a, b, price = numbers[i : i + 3]
    lines[a].append((b, price))
    lines[b].append((a, price))


def cheapest():
    known = {(1, 0): 0}
    queue = [(0, 1, 0)]
    while queue:
        cost, town, used = heapq.heappop(queue)
        if town == n:
            return cost
        if cost > known[town, used]:
            continue
        for other, price in lines[town]:
            for spent, ticket in ((used, price), (used + 1, price // 2)):
                total = cost + ticket
                if spent <= k and total < known.get((other, spent), total + 1):
                    known[other, spent] = total
                    heapq.heappush(queue, (total, other, spent))
    return -1


print(cheapest())
