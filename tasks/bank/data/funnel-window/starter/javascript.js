function funnel(steps, window, events) {
  // your code here
  return steps.map((step) => 0);
}
