# Walks a tree of segments and always takes the literal branch, without coming back from a dead end.
def pick(routes, paths):
    split = lambda text: text[1:].split("/") if text != "/" else []
    root = {}
    patterns = [split(route) for route in routes]
    for index, pattern in enumerate(patterns):
        node = root
        for segment in pattern:
            node = node.setdefault(":" if segment.startswith(":") else segment, {})
        node["/"] = index

    def find(path):
        node, star = root, None
        for segment in path:
            if "*" in node:
                star = node["*"]["/"]
            if segment in node:
                node = node[segment]
            elif ":" in node:
                node = node[":"]
            else:
                return star
        return node.get("/", star)

    answers = []
    for path in map(split, paths):
        index = find(path)
        if index is None:
            answers.append(None)
            continue
        params = {}
        for position, segment in enumerate(patterns[index]):
            if segment == "*":
                params["*"] = "/".join(path[position:])
            elif segment.startswith(":"):
                params[segment[1:]] = path[position]
        answers.append([index, params])
    return answers
