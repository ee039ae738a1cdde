# Forgets a chain in progress as soon as the first step happens again.
def funnel(steps, window, events):
    by_visitor = {}
    for visitor, step, time in events:
        if step in steps:
            by_visitor.setdefault(visitor, []).append((time, -steps.index(step)))
    reached = [0] * len(steps)
    for history in by_visitor.values():
        most, k, start, last = 0, 0, None, None
        for time, minus in sorted(history):
            step = -minus
            if step == 0:
                k, start, last = 1, time, time
            elif step == k and time > last and time - start <= window:
                k, last = k + 1, time
            most = max(most, k)
        for i in range(most):
            reached[i] += 1
    return reached
