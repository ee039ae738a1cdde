function pivot(facts) {
  // your code here
  return { columns: [], rows: [], totals: [] };
}
