def still_inside(events: list[list[str]]) -> list[str]:
    return []
