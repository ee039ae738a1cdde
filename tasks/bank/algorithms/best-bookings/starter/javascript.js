function best_bookings(requests, gap) {
  return 0;
}
