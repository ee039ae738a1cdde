const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [n, k, ...days] = numbers;

// Count the neat periods and print the number.
