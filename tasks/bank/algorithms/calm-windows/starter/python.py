import sys

n, d, *readings = map(int, sys.stdin.read().split())

# Count the calm periods and print the number.
