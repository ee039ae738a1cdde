const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [n, m, k] = numbers;
const lines = Array.from({ length: n + 1 }, () => []);
for (let i = 3; i < 3 + 3 * m; i += 3) {
  const [a, b, price] = numbers.slice(i, i + 3);
  lines[a].push([b, price]);
  lines[b].push([a, price]);
}

/** A binary heap of [cost, state], the least cost on top. */
class Heap {
  items = [];
  push(item) {
    const items = this.items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent][0] <= item[0]) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = item;
  }
  pop() {
    const items = this.items;
    const top = items[0];
    const last = items.pop();
    if (items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1][0] < items[child][0]) child++;
      if (items[child][0] >= last[0]) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = last;
    return top;
  }
}

function cheapest() {
  const layers = k + 1;
  const known = new Array((n + 1) * layers).fill(Infinity);
  const heap = new Heap();
  known[layers] = 0;
  heap.push([0, layers]);
  while (heap.items.length > 0) {
    const [cost, state] = heap.pop();
    const town = Math.floor(state / layers);
    const used = state % layers;
    if (town === n) return cost;
    if (cost > known[state]) continue;
    for (const [other, price] of lines[town]) {
      for (const [spent, ticket] of [[used, price], [used + 1, Math.floor(price / 2)]]) {
        const next = other * layers + spent;
        if (spent <= k && cost + ticket < known[next]) {
          known[next] = cost + ticket;
          heap.push([cost + ticket, next]);
        }
      }
    }
  }
  return -1;
}

console.log(cheapest());
