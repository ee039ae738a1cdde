def min_trips(weights: list[int], capacity: int, conflicts: list[list[int]]) -> int:
    return 0
