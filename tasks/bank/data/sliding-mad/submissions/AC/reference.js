const data = require("fs").readFileSync(0, "utf8").split(/\s+/).filter(Boolean).map(Number);
const [n, k, c] = data;
const readings = data.slice(3, 3 + n);

// A Fenwick tree over the values: how many readings of the window are not larger than a value.
const size = 1 << 17;
const tree = new Int32Array(size + 1);
function add(value, change) {
  for (let i = value + 1; i <= size; i += i & -i) tree[i] += change;
}
function upTo(value) {
  let count = 0;
  for (let i = Math.min(value + 1, size); i > 0; i -= i & -i) count += tree[i];
  return count;
}
function kth(rank) {
  let at = 0;
  for (let step = size; step > 0; step >>= 1) {
    if (at + step <= size && tree[at + step] < rank) {
      at += step;
      rank -= tree[at];
    }
  }
  return at;
}

const middle = (k + 1) / 2;
for (let i = 0; i < k; i++) add(readings[i], 1);
const outliers = [];
let total = 0;
for (let i = k; i < n; i++) {
  const median = kth(middle);
  let [low, high] = [0, 100000];
  while (low < high) {
    const distance = (low + high) >> 1;
    if (upTo(median + distance) - upTo(median - distance - 1) >= middle) high = distance;
    else low = distance + 1;
  }
  total += low;
  if (Math.abs(readings[i] - median) > c * low) outliers.push(i + 1);
  add(readings[i - k], -1);
  add(readings[i], 1);
}
console.log(outliers.length);
console.log(outliers.length ? outliers.join(" ") : "none");
console.log(total);
