def still_inside(events):
    inside = {}
    for name, action in events:
        if action == "in":
            inside.setdefault(name)
        else:
            inside.pop(name, None)
    return list(inside)
