import sys

numbers = list(map(int, sys.stdin.read().split()))
n, m, k = numbers[:3]
lines = [numbers[i : i + 3] for i in range(3, 3 + 3 * m, 3)]  # town, town, price

# Print the least cost of a journey from town 1 to town n, or -1.
