import sys


def main():
    lines = sys.stdin.read().splitlines()
    n, m, w = map(int, lines[0].split())
    exposures = [line.split() for line in lines[1 : n + 1]]
    orders = [line.split() for line in lines[n + 1 : n + m + 1]]
    # your code here


main()
