import heapq
import sys

numbers = list(map(int, sys.stdin.read().split()))
n, m, k = numbers[:3]
lines = [[] for _ in range(n + 1)]
for i in range(3, 3 + 3 * m, 3):
    a, b, price = numbers[i : i + 3]
    lines[a].append((b, price))
    lines[b].append((a, price))

known = {1: 0}
queue = [(0, 1, ())]
while queue:
    cost, town, prices = heapq.heappop(queue)
    if cost > known[town]:
        continue
    for other, price in lines[town]:
        paid = sorted((*prices, price), reverse=True)
        total = sum(p // 2 for p in paid[:k]) + sum(paid[k:])
        if total < known.get(other, total + 1):
            known[other] = total
            heapq.heappush(queue, (total, other, tuple(paid)))
print(known.get(n, -1))
