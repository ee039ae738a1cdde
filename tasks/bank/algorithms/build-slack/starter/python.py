import sys

numbers = iter(map(int, sys.stdin.read().split()))
n, m = next(numbers), next(numbers)
minutes = [next(numbers) for _ in range(n)]
waits = [(next(numbers), next(numbers)) for _ in range(m)]  # (a, b): b waits for a

# Print the time of the release and the number of critical steps, or: loop
