import sys

numbers = list(map(int, sys.stdin.read().split()))
n, m, q = numbers[:3]
bridges = [numbers[i : i + 2] for i in range(3, 3 + 2 * m, 2)]
closings = [bridge - 1 for bridge in numbers[3 + 2 * m :]]
parent, size, largest = list(range(n + 1)), [1] * (n + 1), 1


def root(island):
    while parent[island] != island:
        parent[island] = parent[parent[island]]
        island = parent[island]
    return island


answers = []
for bridge in reversed(closings):
    answers.append(largest)
    a, b = map(root, bridges[bridge])
    if a != b:
        parent[b] = a
        size[a] += size[b]
        largest = max(largest, size[a])
print(*reversed(answers))
