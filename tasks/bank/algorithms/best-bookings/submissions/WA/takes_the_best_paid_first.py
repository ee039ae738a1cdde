def best_bookings(requests, gap):
    taken = []
    for start, end, pay in sorted(requests, key=lambda request: -request[2]):
        if all(start >= e + gap or s >= end + gap for s, e, _ in taken):
            taken.append((start, end, pay))
    return sum(pay for _, _, pay in taken)
