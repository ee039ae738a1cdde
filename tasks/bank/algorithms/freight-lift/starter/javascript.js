function min_trips(weights, capacity, conflicts) {
  return 0;
}
