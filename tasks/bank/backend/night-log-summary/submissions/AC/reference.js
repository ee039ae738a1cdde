const lines = require("fs").readFileSync(0, "utf8").split("\n");
const n = Number(lines[0]);
const counts = [0, 0, 0, 0];
let slowest = null;
for (const line of lines.slice(1, n + 1)) {
  const [, path, status, ms] = line.trim().split(" ");
  counts[Math.floor(Number(status) / 100) - 2] += 1;
  if (slowest === null || Number(ms) > slowest.ms) slowest = { path, ms: Number(ms) };
}
counts.forEach((count, i) => console.log(`${i + 2}xx ${count}`));
console.log(slowest === null ? "slowest -" : `slowest ${slowest.path} ${slowest.ms}`);
