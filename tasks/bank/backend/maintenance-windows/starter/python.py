import sys


def main():
    data = list(map(int, sys.stdin.read().split()))
    n, horizon = data[0], data[1]
    windows = list(zip(data[2::2], data[3::2]))
    # your code here


main()
