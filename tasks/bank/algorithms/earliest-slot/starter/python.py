def earliest_slot(calendars: list[list[list[int]]], opens: int, closes: int, length: int) -> int:
    return -1
