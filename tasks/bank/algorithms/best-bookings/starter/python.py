def best_bookings(requests: list[list[int]], gap: int) -> int:
    return 0
