import sys


def main():
    lines = sys.stdin.read().splitlines()
    n, k = map(int, lines[0].split())
    for line in lines[1 : n + 1]:
        name, seconds, *dependencies = line.split()
        # your code here


main()
