import sys

numbers = list(map(int, sys.stdin.read().split()))
n, m, q = numbers[:3]
bridges = [numbers[i : i + 2] for i in range(3, 3 + 2 * m, 2)]
closings = [bridge - 1 for bridge in numbers[3 + 2 * m :]]
ways = [[] for _ in range(n + 1)]
for number, (a, b) in enumerate(bridges):
    ways[a].append((b, number))
    ways[b].append((a, number))

closed, answers = set(), []
for bridge in closings:
    closed.add(bridge)
    seen, largest = [False] * (n + 1), 0
    for island in range(1, n + 1):
        if seen[island]:
            continue
        seen[island], stack, count = True, [island], 0
        while stack:
            here = stack.pop()
            count += 1
            for other, number in ways[here]:
                if number not in closed and not seen[other]:
                    seen[other] = True
                    stack.append(other)
        largest = max(largest, count)
    answers.append(largest)
print(*answers)
