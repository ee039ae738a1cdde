const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [n, m, k] = numbers;
const lines = []; // [town, town, price]
for (let i = 3; i < 3 + 3 * m; i += 3) lines.push(numbers.slice(i, i + 3));

// Print the least cost of a journey from town 1 to town n, or -1.
