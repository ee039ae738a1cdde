function earliest_slot(calendars, opens, closes, length) {
  return -1;
}
