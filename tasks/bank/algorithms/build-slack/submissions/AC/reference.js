const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [n, m] = numbers;
const minutes = numbers.slice(2, 2 + n);
const followers = minutes.map(() => []);
const holds = new Array(n).fill(0);
for (let i = 2 + n; i < 2 + n + 2 * m; i += 2) {
  followers[numbers[i] - 1].push(numbers[i + 1] - 1);
  holds[numbers[i + 1] - 1]++;
}

const order = [];
for (let step = 0; step < n; step++) if (holds[step] === 0) order.push(step);
const before = [...minutes];
for (let at = 0; at < order.length; at++) {
  const step = order[at];
  for (const follower of followers[step]) {
    before[follower] = Math.max(before[follower], before[step] + minutes[follower]);
    if (--holds[follower] === 0) order.push(follower);
  }
}

if (order.length < n) {
  console.log("loop");
} else {
  const after = new Array(n).fill(0);
  for (const step of order.reverse()) {
    for (const follower of followers[step]) {
      after[step] = Math.max(after[step], minutes[follower] + after[follower]);
    }
  }
  const release = Math.max(...before);
  console.log(release, order.filter((step) => before[step] + after[step] === release).length);
}
