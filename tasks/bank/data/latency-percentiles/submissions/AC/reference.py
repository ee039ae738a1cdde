from bisect import bisect_left
from itertools import accumulate


def percentiles(buckets, ranks):
    measured = sorted((value, count) for value, count in buckets if count)
    if not measured:
        return [None] * len(ranks)
    values = [value for value, _ in measured]
    running = list(accumulate(count for _, count in measured))
    # The smallest number of measurements that is enough for the rank, rounded up.
    enough = [-(-rank * running[-1] // 1000) for rank in ranks]
    return [values[bisect_left(running, number)] for number in enough]
