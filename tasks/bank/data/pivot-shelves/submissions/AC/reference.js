function pivot(facts) {
  const columns = [...new Set(facts.map((fact) => fact[1]))].sort();
  const shelves = [...new Set(facts.map((fact) => fact[0]))].sort();
  const column = new Map(columns.map((toy, i) => [toy, i]));
  const cells = new Map(shelves.map((shelf) => [shelf, columns.map(() => 0)]));
  const totals = columns.map(() => 0);
  for (const [shelf, toy, pieces] of facts) {
    cells.get(shelf)[column.get(toy)] += pieces;
    totals[column.get(toy)] += pieces;
  }
  const rows = shelves.map((shelf) => ({
    shelf,
    cells: cells.get(shelf),
    total: cells.get(shelf).reduce((sum, value) => sum + value, 0),
  }));
  return { columns, rows, totals };
}
