import sys


def main():
    lines = sys.stdin.read().splitlines()
    capacity, q = map(int, lines[0].split())
    for line in lines[1 : q + 1]:
        t, command, key, *rest = line.split()
        # your code here


main()
