function pick(routes, paths) {
  const split = (text) => (text === "/" ? [] : text.slice(1).split("/"));
  const root = { literals: new Map(), param: null, end: -1, star: -1 };
  const node = () => ({ literals: new Map(), param: null, end: -1, star: -1 });
  const names = routes.map((route) => split(route));

  names.forEach((pattern, index) => {
    let at = root;
    for (const segment of pattern) {
      if (segment === "*") {
        at.star = index;
        return;
      }
      if (segment[0] === ":") {
        at.param = at.param || node();
        at = at.param;
      } else {
        if (!at.literals.has(segment)) at.literals.set(segment, node());
        at = at.literals.get(segment);
      }
    }
    at.end = index;
  });

  function search(at, path, depth) {
    if (depth === path.length) return at.end;
    const literal = at.literals.get(path[depth]);
    let found = literal ? search(literal, path, depth + 1) : -1;
    if (found < 0 && at.param) found = search(at.param, path, depth + 1);
    return found < 0 ? at.star : found;
  }

  return paths.map((text) => {
    const path = split(text);
    const index = search(root, path, 0);
    if (index < 0) return null;
    const params = {};
    names[index].forEach((segment, i) => {
      if (segment === "*") params["*"] = path.slice(i).join("/");
      else if (segment[0] === ":") params[segment.slice(1)] = path[i];
    });
    return [index, params];
  });
}
