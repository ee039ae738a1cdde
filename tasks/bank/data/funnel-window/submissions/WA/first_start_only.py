# Follows the chain from the first event of the first step and never starts again.
def funnel(steps, window, events):
    by_visitor = {}
    for visitor, step, time in events:
        by_visitor.setdefault(visitor, []).append((time, step))
    reached = [0] * len(steps)
    for history in by_visitor.values():
        k, start, last = 0, None, None
        for time, step in sorted(history):
            if k == len(steps) or step != steps[k]:
                continue
            if k == 0:
                start = time
            elif time == last or time - start > window:
                continue
            last = time
            k += 1
        for i in range(k):
            reached[i] += 1
    return reached
