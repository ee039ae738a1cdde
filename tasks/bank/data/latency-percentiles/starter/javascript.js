function percentiles(buckets, ranks) {
  // your code here
  return ranks.map((rank) => null);
}
