import sys

numbers = list(map(int, sys.stdin.read().split()))
n, m, q = numbers[:3]
bridges = [numbers[i : i + 2] for i in range(3, 3 + 2 * m, 2)]
closings = [bridge - 1 for bridge in numbers[3 + 2 * m :]]
parent, size, largest = list(range(n + 1)), [1] * (n + 1), 1


def root(island):
    while parent[island] != island:
        island = parent[island]
    return island


def join(bridge):
    a, b = map(root, bridges[bridge])
    if a == b:
        return largest
    if size[a] < size[b]:
        a, b = b, a
    parent[b] = a
    size[a] += size[b]
    return size[a]


for bridge in set(range(m)) - set(closings):
    largest = join(bridge)
answers = []
for bridge in reversed(closings):
    answers.append(largest)
    largest = join(bridge)
print(*reversed(answers))
