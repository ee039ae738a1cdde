function still_inside(events) {
  const inside = new Set();
  for (const [name, action] of events) {
    if (action === "in") inside.add(name);
    else inside.delete(name);
  }
  return [...inside];
}
