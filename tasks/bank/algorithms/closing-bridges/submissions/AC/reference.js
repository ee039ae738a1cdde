const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [n, m] = numbers;
const bridges = [];
for (let i = 3; i < 3 + 2 * m; i += 2) bridges.push([numbers[i], numbers[i + 1]]);
const closings = numbers.slice(3 + 2 * m).map((bridge) => bridge - 1);

const parent = Array.from({ length: n + 1 }, (_, island) => island);
const size = new Array(n + 1).fill(1);
let largest = 1;

function root(island) {
  while (parent[island] !== island) {
    parent[island] = parent[parent[island]];
    island = parent[island];
  }
  return island;
}

function join(bridge) {
  let [a, b] = bridges[bridge].map(root);
  if (a === b) return;
  if (size[a] < size[b]) [a, b] = [b, a];
  parent[b] = a;
  size[a] += size[b];
  largest = Math.max(largest, size[a]);
}

const closed = new Set(closings);
bridges.forEach((_, bridge) => closed.has(bridge) || join(bridge));
const answers = [];
for (const bridge of closings.reverse()) {
  answers.push(largest);
  join(bridge);
}
console.log(answers.reverse().join(" "));
