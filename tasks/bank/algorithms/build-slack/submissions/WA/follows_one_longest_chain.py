import sys

numbers = iter(map(int, sys.stdin.read().split()))
n, m = next(numbers), next(numbers)
minutes = [next(numbers) for _ in range(n)]
followers = [[] for _ in range(n)]
holds = [0] * n
for _ in range(m):
    a, b = next(numbers) - 1, next(numbers) - 1
    followers[a].append(b)
    holds[b] += 1

order = [step for step in range(n) if not holds[step]]
before, previous = minutes[:], [None] * n
for step in order:
    for follower in followers[step]:
        if before[step] + minutes[follower] > before[follower]:
            before[follower] = before[step] + minutes[follower]
            previous[follower] = step
        holds[follower] -= 1
        if not holds[follower]:
            order.append(follower)

if len(order) < n:
    print("loop")
else:
    step, length = max(range(n), key=before.__getitem__), 0
    while step is not None:
        step, length = previous[step], length + 1
    print(max(before), length)
