def best_bookings(requests, gap):
    total, free = 0, None
    for start, end, pay in sorted(requests, key=lambda request: request[1]):
        if free is None or start >= free:
            total, free = total + pay, end + gap
    return total
