import sys
from functools import cache

numbers = iter(map(int, sys.stdin.read().split()))
n, m = next(numbers), next(numbers)
minutes = [next(numbers) for _ in range(n)]
followers = [set() for _ in range(n)]
needs = [set() for _ in range(n)]
for _ in range(m):
    a, b = next(numbers) - 1, next(numbers) - 1
    followers[a].add(b)
    needs[b].add(a)


def looped():
    left, count = {step: set(needs[step]) for step in range(n)}, 0
    ready = [step for step in range(n) if not left[step]]
    while ready:
        step = ready.pop()
        count += 1
        for follower in followers[step]:
            left[follower].discard(step)
            if not left[follower]:
                ready.append(follower)
    return count < n


@cache
def before(step):
    return minutes[step] + max(map(before, needs[step]), default=0)


@cache
def after(step):
    return max((minutes[f] + after(f) for f in followers[step]), default=0)


if looped():
    print("loop")
else:
    release = max(before(step) for step in reversed(range(n)))
    print(release, sum(before(step) + after(step) == release for step in range(n)))
