function funnel(steps, window, events) {
  const visitors = new Map();
  for (const [visitor, step, time] of events) {
    const k = steps.indexOf(step);
    if (k < 0) continue;
    if (!visitors.has(visitor)) visitors.set(visitor, []);
    visitors.get(visitor).push({ k, time });
  }
  const reached = steps.map(() => 0);
  for (const history of visitors.values()) {
    history.sort((a, b) => a.time - b.time || b.k - a.k);
    const best = steps.map(() => -1);
    for (const { k, time } of history) {
      const start = k === 0 ? time : best[k - 1];
      if (start >= 0 && time - start <= window) best[k] = Math.max(best[k], start);
    }
    best.forEach((start, k) => {
      if (start >= 0) reached[k] += 1;
    });
  }
  return reached;
}
