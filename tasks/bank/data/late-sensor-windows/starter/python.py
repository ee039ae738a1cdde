import sys


def main():
    lines = sys.stdin.read().splitlines()
    n, width, lateness = map(int, lines[0].split())
    for line in lines[1 : n + 1]:
        reading, buoy, time, height = line.split()
        # your code here


main()
