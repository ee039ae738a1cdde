def segments(text):
    return text[1:].split("/") if text != "/" else []


def kind(segment):
    return 2 if segment == "*" else 1 if segment.startswith(":") else 0


def match(pattern, path):
    params = {}
    for position, segment in enumerate(pattern):
        if position >= len(path):
            return None
        if segment == "*":
            params["*"] = "/".join(path[position:])
            return params
        if segment.startswith(":"):
            params[segment[1:]] = path[position]
        elif segment != path[position]:
            return None
    return params if len(pattern) == len(path) else None


def pick(routes, paths):
    # From the most to the least specific: the first that matches is the winner.
    patterns = sorted(
        ((segments(route), index) for index, route in enumerate(routes)),
        key=lambda item: [kind(segment) for segment in item[0]],
    )
    answers = []
    for path in map(segments, paths):
        answer = None
        for pattern, index in patterns:
            params = match(pattern, path)
            if params is not None:
                answer = [index, params]
                break
        answers.append(answer)
    return answers
