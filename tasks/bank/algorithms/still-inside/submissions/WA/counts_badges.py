def still_inside(events):
    balance, order = {}, []
    for name, action in events:
        balance[name] = balance.get(name, 0) + (1 if action == "in" else -1)
        if action == "in":
            order = [other for other in order if other != name] + [name]
    return [name for name in order if balance[name] > 0]
