const [, , ...plan] = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/);
const height = plan.length;
const width = plan[0].length;
const distance = plan.map(() => new Array(width).fill(-1));
const queue = [];
for (let y = 0; y < height; y++) {
  for (let x = 0; x < width; x++) {
    if (plan[y][x] === "P") {
      distance[y][x] = 0;
      queue.push([y, x]);
    }
  }
}
for (let head = 0; head < queue.length; head++) {
  const [y, x] = queue[head];
  for (const [ny, nx] of [[y - 1, x], [y + 1, x], [y, x - 1], [y, x + 1]]) {
    const inside = ny >= 0 && ny < height && nx >= 0 && nx < width;
    if (inside && plan[ny][nx] !== "#" && distance[ny][nx] < 0) {
      distance[ny][nx] = distance[y][x] + 1;
      queue.push([ny, nx]);
    }
  }
}
let farthest = 0;
let cutOff = 0;
for (let y = 0; y < height; y++) {
  for (let x = 0; x < width; x++) {
    if (plan[y][x] !== "D") continue;
    farthest = Math.max(farthest, distance[y][x]);
    if (distance[y][x] < 0) cutOff++;
  }
}
console.log(farthest, cutOff);
