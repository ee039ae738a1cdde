const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [r, b] = lines[0].split(" ").map(Number);

function table(rows) {
  const header = rows[0].split(",").map((name) => name.trim());
  return rows.slice(1).map((row) => {
    const fields = row.split(",");
    return new Map(header.map((name, i) => [name, fields[i].trim()]));
  });
}

const readers = table(lines.slice(1, r + 2));
const byReader = new Map();
for (const reader of readers) byReader.set(reader.get("reader_id").toLowerCase(), []);
let orphans = 0;
for (const loan of table(lines.slice(r + 2, r + b + 3))) {
  const list = byReader.get(loan.get("reader_id").toLowerCase());
  if (list) list.push(`${loan.get("loan_id")},${loan.get("days")}`);
  else orphans += 1;
}
const out = [];
for (const reader of readers) {
  const list = byReader.get(reader.get("reader_id").toLowerCase());
  for (const loan of list.length ? list : ["-,0"]) {
    out.push(`${reader.get("name")},${reader.get("city")},${loan}`);
  }
}
out.push(`orphans ${orphans}`);
console.log(out.join("\n"));
