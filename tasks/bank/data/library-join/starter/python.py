import sys


def main():
    lines = sys.stdin.read().split("\n")
    r, b = map(int, lines[0].split())
    readers = [line.split(",") for line in lines[1 : r + 2]]  # the header first
    loans = [line.split(",") for line in lines[r + 2 : r + b + 3]]
    # your code here


main()
