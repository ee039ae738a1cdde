function replay(commands) {
  const store = new Map();
  const open = new Map();
  const results = [];

  // A commit leaves the former values to the transactions that are still open: `before` holds
  // what each of them must go on seeing, and so also which keys have changed since it began.
  function commit(tx) {
    if (tx.writes.size === 0) return "ok";
    for (const key of [...tx.reads, ...tx.writes.keys()]) {
      if (tx.before.has(key)) return "conflict";
    }
    for (const [key, value] of tx.writes) {
      for (const other of open.values()) {
        if (!other.before.has(key)) other.before.set(key, store.get(key) || 0);
      }
      store.set(key, value);
    }
    return "ok";
  }

  for (const [command, name, key, value] of commands) {
    const tx = open.get(name);
    if (command === "begin") {
      open.set(name, { before: new Map(), reads: new Set(), writes: new Map(), saved: [] });
    } else if (command === "get") {
      if (tx.writes.has(key)) results.push(tx.writes.get(key));
      else {
        tx.reads.add(key);
        results.push(tx.before.has(key) ? tx.before.get(key) : store.get(key) || 0);
      }
    } else if (command === "set") tx.writes.set(key, value);
    else if (command === "save") tx.saved.push(new Map(tx.writes));
    else if (command === "back") tx.writes = tx.saved.pop();
    else {
      open.delete(name);
      if (command === "commit") results.push(commit(tx));
    }
  }
  return results;
}
