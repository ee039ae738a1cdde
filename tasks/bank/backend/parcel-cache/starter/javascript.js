const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [capacity, q] = lines[0].split(" ").map(Number);
for (const line of lines.slice(1, q + 1)) {
  const [t, command, key, ...rest] = line.trim().split(" ");
  // your code here
}
