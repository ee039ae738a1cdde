const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [n, gap] = lines[0].split(" ").map(Number);
const rows = lines.slice(1, n + 1).map((line) => {
  const [card, time] = line.trim().split(" ");
  return { card, time: Number(time) };
});
rows.sort((a, b) => (a.card < b.card ? -1 : a.card > b.card ? 1 : a.time - b.time));

const out = [];
let current = null;
for (const { card, time } of rows) {
  if (current === null || current.card !== card) {
    current = { card, rides: 1, longest: 0, start: time, last: time };
    out.push(current);
  } else if (time - current.last > gap) {
    current.rides += 1;
    current.start = time;
  }
  current.last = time;
  current.longest = Math.max(current.longest, time - current.start);
}
console.log(out.map((row) => `${row.card} ${row.rides} ${row.longest}`).join("\n"));
