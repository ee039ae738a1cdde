row = input().strip()

# Find the longest block of free seats and print its size and its first seat.
