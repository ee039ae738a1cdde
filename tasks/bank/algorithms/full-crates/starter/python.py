import sys

n, k, *days = map(int, sys.stdin.read().split())

# Count the neat periods and print the number.
