a, b, d, m = map(int, input().split())

# Count the numbers from a to b that are used and print how many there are.
