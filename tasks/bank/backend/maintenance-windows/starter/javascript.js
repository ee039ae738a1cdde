const data = require("fs").readFileSync(0, "utf8").split(/\s+/).filter(Boolean).map(Number);
const [n, horizon] = data;
const windows = [];
for (let i = 0; i < n; i++) windows.push([data[2 + 2 * i], data[3 + 2 * i]]);
// your code here
