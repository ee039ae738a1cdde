import sys


def main():
    data = list(map(int, sys.stdin.read().split()))
    n, k, c = data[:3]
    readings = data[3:]
    # your code here


main()
