const [, , ...plan] = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/);
const height = plan.length;
const width = plan[0].length;

// Print the largest distance and the number of desks without a printer.
