from bisect import bisect_right


def best_bookings(requests, gap):
    by_end = sorted(requests, key=lambda request: request[1])
    ends = [end for _, end, _ in by_end]
    best = [0]
    for start, _, pay in by_end:
        earlier = bisect_right(ends, start - gap)
        best.append(max(best[-1], pay + best[earlier]))
    return best[-1]
