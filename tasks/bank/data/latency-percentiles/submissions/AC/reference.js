function percentiles(buckets, ranks) {
  const measured = buckets.filter(([, count]) => count > 0).sort((a, b) => a[0] - b[0]);
  const total = measured.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return ranks.map(() => null);

  // One walk over the values answers all ranks in ascending order.
  const answers = new Array(ranks.length);
  const order = ranks.map((rank, i) => [rank, i]).sort((a, b) => a[0] - b[0]);
  let at = 0;
  let running = measured[0][1];
  for (const [rank, i] of order) {
    while (running * 1000 < rank * total) {
      at += 1;
      running += measured[at][1];
    }
    answers[i] = measured[at][0];
  }
  return answers;
}
