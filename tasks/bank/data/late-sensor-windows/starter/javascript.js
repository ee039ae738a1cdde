const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [n, width, lateness] = lines[0].split(" ").map(Number);
for (const line of lines.slice(1, n + 1)) {
  const [id, buoy, time, height] = line.trim().split(" ");
  // your code here
}
