def earliest_slot(calendars, opens, closes, length):
    free = opens
    for start, end in sorted(meeting for calendar in calendars for meeting in calendar):
        if start - free >= length and free + length <= closes:
            return free
        free = max(free, end)
    return -1
