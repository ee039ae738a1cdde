const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [n, width, lateness] = lines[0].split(" ").map(Number);

// Windows are reported in ascending order, and what comes after a report lies above it: so it is
// enough to collect the accepted readings and to print them all, sorted, at the end.
const totals = new Map();
const accepted = new Set();
let watermark = -Infinity;
let late = 0;
let duplicates = 0;
for (const line of lines.slice(1, n + 1)) {
  const [id, buoy, timeText, heightText] = line.trim().split(" ");
  const time = Number(timeText);
  const height = Number(heightText);
  const start = time - (time % width);
  if (start + width <= watermark) {
    late += 1;
    continue;
  }
  if (accepted.has(id)) {
    duplicates += 1;
    continue;
  }
  accepted.add(id);
  watermark = Math.max(watermark, time - lateness);
  const key = `${start} ${buoy}`;
  const row = totals.get(key) || { start, buoy, count: 0, sum: 0, max: -Infinity };
  row.count += 1;
  row.sum += height;
  row.max = Math.max(row.max, height);
  totals.set(key, row);
}
const rows = [...totals.values()];
rows.sort((a, b) => a.start - b.start || (a.buoy < b.buoy ? -1 : 1));
const out = rows.map((row) => [row.start, row.buoy, row.count, row.sum, row.max].join(" "));
out.push(`late ${late} duplicates ${duplicates}`);
console.log(out.join("\n"));
