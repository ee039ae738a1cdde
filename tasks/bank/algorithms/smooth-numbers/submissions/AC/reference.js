const text = require("node:fs").readFileSync(0, "utf8");
const [a, b, d, m] = text.trim().split(/\s+/).map(Number);

const known = new Map();

/** Ways to write `length` more digits after `last`, or the first ones when `last` is -1. */
function ways(length, last, remainder) {
  if (length === 0) return last >= 0 && remainder === 0 ? 1 : 0;
  const key = (length * 11 + last + 1) * 100 + remainder;
  if (known.has(key)) return known.get(key);
  let count = 0;
  for (let digit = 0; digit <= 9; digit++) count += next(length, last, remainder, digit);
  known.set(key, count);
  return count;
}

function next(length, last, remainder, digit) {
  if (last < 0 && digit === 0) return ways(length - 1, -1, 0);
  if (last >= 0 && Math.abs(digit - last) > d) return 0;
  return ways(length - 1, digit, (remainder + digit) % m);
}

function upTo(limit) {
  const digits = [...String(limit)].map(Number);
  let count = 0;
  let last = -1;
  let remainder = 0;
  for (let at = 0; at < digits.length; at++) {
    for (let digit = 0; digit < digits[at]; digit++) {
      count += next(digits.length - at, last, remainder, digit);
    }
    if (last >= 0 && Math.abs(digits[at] - last) > d) return count;
    last = digits[at];
    remainder = (remainder + last) % m;
  }
  return count + (remainder === 0 ? 1 : 0);
}

console.log(upTo(b) - (a > 1 ? upTo(a - 1) : 0));
