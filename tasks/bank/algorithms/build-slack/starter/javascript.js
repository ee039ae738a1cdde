const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [n, m] = numbers;
const minutes = numbers.slice(2, 2 + n);
const waits = []; // [a, b]: b waits for a
for (let i = 2 + n; i < 2 + n + 2 * m; i += 2) waits.push([numbers[i], numbers[i + 1]]);

// Print the time of the release and the number of critical steps, or: loop
