def still_inside(events):
    state = {}
    for name, action in events:
        state[name] = action
    return [name for name, action in state.items() if action == "in"]
