# Computes the position with floating point, so that an exact product may be rounded up past it.
import math
from bisect import bisect_left
from itertools import accumulate


def percentiles(buckets, ranks):
    measured = sorted((value, count) for value, count in buckets if count)
    if not measured:
        return [None] * len(ranks)
    running = list(accumulate(count for _, count in measured))
    answers = []
    for rank in ranks:
        position = max(1, math.ceil(rank / 1000 * running[-1]))
        answers.append(measured[bisect_left(running, position)][0])
    return answers
