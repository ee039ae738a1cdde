function replay(commands) {
  const results = [];
  for (const [command, tx, ...rest] of commands) {
    // your code here
  }
  return results;
}
