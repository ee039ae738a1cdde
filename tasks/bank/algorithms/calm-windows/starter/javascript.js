const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [n, d, ...readings] = numbers;

// Count the calm periods and print the number.
