const lines = require("fs").readFileSync(0, "utf8").split("\n");
const n = Number(lines[0]);
for (const line of lines.slice(1, n + 1)) {
  const [variety, grams] = line.trim().split(" ");
  // your code here
}
