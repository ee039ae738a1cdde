def min_trips(weights, capacity, conflicts):
    foes = {(i, j) for i, j in conflicts} | {(j, i) for i, j in conflicts}
    best = len(weights)
    trips = []

    def place(crate):
        nonlocal best
        if crate == len(weights):
            best = min(best, len(trips))
            return
        for trip in list(trips):
            load = sum(weights[other] for other in trip) + weights[crate]
            if load <= capacity and all((crate, other) not in foes for other in trip):
                trip.append(crate)
                place(crate + 1)
                trip.pop()
        trips.append([crate])
        place(crate + 1)
        trips.pop()

    place(0)
    return best
