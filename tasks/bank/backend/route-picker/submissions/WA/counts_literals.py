# Prefers the pattern with the most literals instead of the leftmost difference.
def pick(routes, paths):
    split = lambda text: text[1:].split("/") if text != "/" else []

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

    def score(pattern):
        literals = sum(1 for s in pattern if s != "*" and not s.startswith(":"))
        star = bool(pattern) and pattern[-1] == "*"
        return (-literals, star)

    patterns = sorted(((split(r), i) for i, r in enumerate(routes)), key=lambda p: score(p[0]))
    answers = []
    for path in map(split, paths):
        found = None
        for pattern, index in patterns:
            params = match(pattern, path)
            if params is not None:
                found = [index, params]
                break
        answers.append(found)
    return answers
