const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [capacity, q] = lines[0].split(" ").map(Number);
const cache = new Map(); // key -> { value, expiry }; a Map keeps the order of insertion
let nextDue = Infinity; // no entry expires before this moment
let [hits, misses, evicted, expired] = [0, 0, 0, 0];
const out = [];

function expire(now) {
  if (now < nextDue) return;
  nextDue = Infinity;
  for (const [key, entry] of cache) {
    if (entry.expiry <= now) {
      cache.delete(key);
      expired += 1;
    } else nextDue = Math.min(nextDue, entry.expiry);
  }
}

for (const line of lines.slice(1, q + 1)) {
  const [t, command, key, value, ttl] = line.trim().split(" ");
  const now = Number(t);
  expire(now);
  let entry = cache.get(key);
  if (command === "get") {
    if (entry) {
      hits += 1;
      cache.delete(key);
      cache.set(key, entry);
    } else misses += 1;
    out.push(entry ? entry.value : "-");
    continue;
  }
  if (entry) cache.delete(key);
  else if (cache.size === capacity) {
    cache.delete(cache.keys().next().value);
    evicted += 1;
  }
  entry = { value, expiry: now + Number(ttl) };
  cache.set(key, entry);
  nextDue = Math.min(nextDue, entry.expiry);
}
out.push([hits, misses, evicted, expired].join(" "));
console.log(out.join("\n"));
