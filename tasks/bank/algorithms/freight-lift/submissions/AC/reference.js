function min_trips(weights, capacity, conflicts) {
  const count = weights.length;
  const foes = new Array(count).fill(0);
  for (const [i, j] of conflicts) {
    foes[i] |= 1 << j;
    foes[j] |= 1 << i;
  }

  const sets = 1 << count;
  const weight = new Array(sets).fill(0);
  const allowed = new Array(sets).fill(true);
  const trips = new Array(sets).fill(0);
  for (let crates = 1; crates < sets; crates++) {
    const lowest = 31 - Math.clz32(crates & -crates);
    const others = crates & (crates - 1);
    weight[crates] = weight[others] + weights[lowest];
    allowed[crates] =
      allowed[others] && (foes[lowest] & others) === 0 && weight[crates] <= capacity;
    let best = count;
    for (let part = others; ; part = (part - 1) & others) {
      if (allowed[part | (1 << lowest)]) best = Math.min(best, 1 + trips[others ^ part]);
      if (part === 0) break;
    }
    trips[crates] = best;
  }
  return trips[sets - 1];
}
