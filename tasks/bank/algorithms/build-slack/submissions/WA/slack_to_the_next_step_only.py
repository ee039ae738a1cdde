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
before = minutes[:]
for step in order:
    for follower in followers[step]:
        before[follower] = max(before[follower], before[step] + minutes[follower])
        holds[follower] -= 1
        if not holds[follower]:
            order.append(follower)

if len(order) < n:
    print("loop")
else:
    release = max(before)
    critical = sum(
        before[step] == release
        or any(before[step] + minutes[f] == before[f] for f in followers[step])
        for step in range(n)
    )
    print(release, critical)
