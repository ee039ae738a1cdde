const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [r, b] = lines[0].split(" ").map(Number);
const readers = lines.slice(1, r + 2).map((line) => line.split(",")); // the header first
const loans = lines.slice(r + 2, r + b + 3).map((line) => line.split(","));
// your code here
