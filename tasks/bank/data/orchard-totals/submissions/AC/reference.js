const lines = require("fs").readFileSync(0, "utf8").split("\n");
const n = Number(lines[0]);
const varieties = new Map();
for (const line of lines.slice(1, n + 1)) {
  const [name, text] = line.trim().split(" ");
  const grams = Number(text);
  const row = varieties.get(name) || { name, baskets: 0, total: 0, heaviest: 0 };
  row.baskets += 1;
  row.total += grams;
  row.heaviest = Math.max(row.heaviest, grams);
  varieties.set(name, row);
}
const rows = [...varieties.values()];
rows.sort((a, b) => b.total - a.total || (a.name < b.name ? -1 : 1));
for (const row of rows) console.log(`${row.name} ${row.baskets} ${row.total} ${row.heaviest}`);
if (rows.length === 0) console.log("none");
