def funnel(steps, window, events):
    level = {step: number for number, step in enumerate(steps)}
    by_visitor = {}
    for visitor, step, time in events:
        if step in level:
            by_visitor.setdefault(visitor, []).append((time, -level[step]))

    reached = [0] * len(steps)
    for history in by_visitor.values():
        best = [None] * len(steps)  # the latest start of a chain that has come this far
        for time, minus_level in sorted(history):
            k = -minus_level
            if k == 0:
                best[0] = time
            elif best[k - 1] is not None and time - best[k - 1] <= window:
                best[k] = best[k - 1] if best[k] is None else max(best[k], best[k - 1])
        for k, start in enumerate(best):
            reached[k] += start is not None
    return reached
