def earliest_slot(calendars, opens, closes, length):
    free = opens
    for start, end in sorted(meeting for calendar in calendars for meeting in calendar):
        if end <= opens:
            continue
        if start - free >= length:
            break
        free = end
    return free if free + length <= closes else -1
