function best_bookings(requests, gap) {
  const byEnd = [...requests].sort((a, b) => a[1] - b[1]);
  const best = [0];
  for (const [start, , pay] of byEnd) {
    let low = 0;
    let high = best.length - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (byEnd[middle][1] <= start - gap) low = middle + 1;
      else high = middle;
    }
    best.push(Math.max(best.at(-1), pay + best[low]));
  }
  return best.at(-1);
}
