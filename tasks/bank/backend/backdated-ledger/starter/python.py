import sys


def main():
    lines = sys.stdin.read().splitlines()
    n, m = map(int, lines[0].split())
    for line in lines[1 : m + 1]:
        command, *numbers = line.split()
        # your code here


main()
