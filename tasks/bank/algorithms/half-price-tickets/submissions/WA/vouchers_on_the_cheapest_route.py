import heapq
import sys

numbers = list(map(int, sys.stdin.read().split()))
n, m, k = numbers[:3]
lines = [[] for _ in range(n + 1)]
for i in range(3, 3 + 3 * m, 3):
    a, b, price = numbers[i : i + 3]
    lines[a].append((b, price))
    lines[b].append((a, price))

known, tickets = {1: 0}, {1: []}
queue = [(0, 1)]
while queue:
    cost, town = heapq.heappop(queue)
    if cost > known[town]:
        continue
    for other, price in lines[town]:
        if cost + price < known.get(other, cost + price + 1):
            known[other] = cost + price
            tickets[other] = tickets[town] + [price]
            heapq.heappush(queue, (cost + price, other))
if n in tickets:
    dearest = sorted(tickets[n], reverse=True)
    print(sum(price // 2 for price in dearest[:k]) + sum(dearest[k:]))
else:
    print(-1)
