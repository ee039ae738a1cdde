import sys


def main():
    lines = sys.stdin.read().splitlines()
    n, gap = map(int, lines[0].split())
    for line in lines[1 : n + 1]:
        card, time = line.split()
        # your code here


main()
