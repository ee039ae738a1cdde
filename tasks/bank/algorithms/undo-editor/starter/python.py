import sys

lines = sys.stdin.read().splitlines()
commands = [line.split() for line in lines[1 : int(lines[0]) + 1]]

# Run the commands, then print the length of the text and the text.
