const text = require("node:fs").readFileSync(0, "utf8");
const [a, b, d, m] = text.trim().split(/\s+/).map(Number); // all of them fit a Number exactly

// Count the numbers from a to b that are used and print how many there are.
