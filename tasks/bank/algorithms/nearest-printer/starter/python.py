import sys

height, width, *plan = sys.stdin.read().split()
height, width = int(height), int(width)

# Print the largest distance and the number of desks without a printer.
