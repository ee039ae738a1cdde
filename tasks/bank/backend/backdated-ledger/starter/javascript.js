const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [n, m] = lines[0].split(" ").map(Number);
for (const line of lines.slice(1, m + 1)) {
  const [command, ...rest] = line.trim().split(" ");
  const numbers = rest.map(Number);
  // your code here
}
