const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [, k, ...days] = numbers;
const seen = new Map([[0, 1]]);
let total = 0;
let neat = 0;
for (const parts of days) {
  total = (((total + parts) % k) + k) % k;
  const before = seen.get(total) ?? 0;
  neat += before;
  seen.set(total, before + 1);
}
console.log(neat);
