import os
import signal
import sys
import time


def deeper(n):
    return deeper(n + 1) + 1


def main():
    case = sys.stdin.readline().strip()
    if case == "sum":
        print(sum(map(int, sys.stdin.read().split())))
    elif case == "bare":
        sys.stdout.write("42")
    elif case == "wrong":
        print(41)
    elif case == "exception":
        raise ValueError("no good")
    elif case == "exit":
        sys.exit(3)
    elif case == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    elif case == "loop":
        while True:
            pass
    elif case == "sleep":
        time.sleep(60)
    elif case == "memory":
        held = []
        while True:
            held.append(bytearray(1 << 20))
    elif case == "recursion":
        print(deeper(0))
    elif case == "flood":
        while True:
            print("x" * 1000)
    elif case == "early":
        sys.exit(0)
    elif case == "closed":
        os.close(1)
        print(42, flush=True)
    elif case == "line":
        print(len(sys.stdin.readline().strip()))
    elif case == "bytes":
        sys.stdout.buffer.write(b"4\xff\xfe2\n")
    elif case == "past":
        print(int(input()) + int(input()))


main()
