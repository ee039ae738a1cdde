def min_trips(weights, capacity, conflicts):
    foes = {(i, j) for i, j in conflicts} | {(j, i) for i, j in conflicts}
    trips = []
    for crate in sorted(range(len(weights)), key=lambda crate: -weights[crate]):
        for trip in trips:
            load = sum(weights[other] for other in trip) + weights[crate]
            if load <= capacity and all((crate, other) not in foes for other in trip):
                trip.append(crate)
                break
        else:
            trips.append([crate])
    return len(trips)
