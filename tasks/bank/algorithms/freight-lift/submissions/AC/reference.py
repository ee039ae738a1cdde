def min_trips(weights, capacity, conflicts):
    count = len(weights)
    foes = [0] * count
    for i, j in conflicts:
        foes[i] |= 1 << j
        foes[j] |= 1 << i

    weight = [0] * (1 << count)
    allowed = [True] * (1 << count)
    for crates in range(1, 1 << count):
        lowest = (crates & -crates).bit_length() - 1
        rest = crates & (crates - 1)
        weight[crates] = weight[rest] + weights[lowest]
        allowed[crates] = (
            allowed[rest] and not foes[lowest] & rest and weight[crates] <= capacity
        )

    trips = [0] * (1 << count)
    for crates in range(1, 1 << count):
        lowest = crates & -crates
        others = part = crates ^ lowest
        best = count
        while True:
            if allowed[part | lowest]:
                best = min(best, 1 + trips[others ^ part])
            if not part:
                break
            part = (part - 1) & others
        trips[crates] = best
    return trips[-1]
