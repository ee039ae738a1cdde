const data = require("fs").readFileSync(0, "utf8").split(/\s+/).filter(Boolean).map(Number);
const [n, k, c] = data;
const readings = data.slice(3);
// your code here
