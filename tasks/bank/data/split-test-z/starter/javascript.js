const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [n, m, w] = lines[0].split(" ").map(Number);
const exposures = lines.slice(1, n + 1).map((line) => line.trim().split(" "));
const orders = lines.slice(n + 1, n + m + 1).map((line) => line.trim().split(" "));
// your code here
