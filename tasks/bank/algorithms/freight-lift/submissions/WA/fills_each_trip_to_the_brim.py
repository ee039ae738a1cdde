def min_trips(weights, capacity, conflicts):
    left, trips = (1 << len(weights)) - 1, 0
    pairs = [1 << i | 1 << j for i, j in conflicts]
    while left:
        best_load, best = 0, 0
        part = left
        while part:
            load = sum(w for i, w in enumerate(weights) if part >> i & 1)
            if best_load < load <= capacity and all(part & pair != pair for pair in pairs):
                best_load, best = load, part
            part = (part - 1) & left
        left, trips = left ^ best, trips + 1
    return trips
