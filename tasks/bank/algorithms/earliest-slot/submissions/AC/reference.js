function earliest_slot(calendars, opens, closes, length) {
  const meetings = calendars.flat().sort((a, b) => a[0] - b[0]);
  let free = opens;
  for (const [start, end] of meetings) {
    if (start - free >= length) break;
    free = Math.max(free, end);
  }
  return free + length <= closes ? free : -1;
}
