function pick(routes, paths) {
  // your code here
  return paths.map((path) => null);
}
