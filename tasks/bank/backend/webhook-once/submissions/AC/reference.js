function settle(deliveries) {
  const first = new Map();
  const conflicts = new Set();
  let repeats = 0;
  let balance = 0;
  for (const { id, kind, amount } of deliveries) {
    const known = first.get(id);
    if (known === undefined) {
      first.set(id, { kind, amount });
      balance += kind === "charge" ? amount : -amount;
    } else if (known.kind === kind && known.amount === amount) {
      repeats += 1;
    } else {
      conflicts.add(id);
    }
  }
  return { applied: first.size, repeats, conflicts: [...conflicts], balance };
}
