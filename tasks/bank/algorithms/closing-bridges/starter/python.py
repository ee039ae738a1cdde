import sys

numbers = list(map(int, sys.stdin.read().split()))
n, m, q = numbers[:3]
bridges = [numbers[i : i + 2] for i in range(3, 3 + 2 * m, 2)]  # bridge 1 is bridges[0]
closings = numbers[3 + 2 * m :]

# Print the size of the largest group after each closing.
