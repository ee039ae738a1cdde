const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [n, m, q] = numbers;
const bridges = []; // bridge 1 is bridges[0]
for (let i = 3; i < 3 + 2 * m; i += 2) bridges.push([numbers[i], numbers[i + 1]]);
const closings = numbers.slice(3 + 2 * m);

// Print the size of the largest group after each closing.
