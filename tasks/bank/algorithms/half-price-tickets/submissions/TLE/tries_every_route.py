import sys

sys.setrecursionlimit(10_000)
numbers = list(map(int, sys.stdin.read().split()))
n, m, k = numbers[:3]
lines = [[] for _ in range(n + 1)]
for i in range(3, 3 + 3 * m, 3):
    a, b, price = numbers[i : i + 3]
    lines[a].append((b, price))
    lines[b].append((a, price))
best = None


def go(town, vouchers, cost, visited):
    global best
    if best is not None and cost >= best:
        return
    if town == n:
        best = cost
        return
    for other, price in lines[town]:
        if other not in visited:
            visited.add(other)
            if vouchers:
                go(other, vouchers - 1, cost + price // 2, visited)
            go(other, vouchers, cost + price, visited)
            visited.discard(other)


go(1, k, 0, {1})
print(-1 if best is None else best)
