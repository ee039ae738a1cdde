const numbers = require("node:fs").readFileSync(0, "utf8").trim().split(/\s+/).map(Number);
const [, d, ...readings] = numbers;

/** Positions whose readings keep the order `better` from the front to the back. */
class Front {
  constructor(better) {
    this.better = better;
    this.positions = [];
    this.head = 0;
  }
  add(position) {
    while (
      this.positions.length > this.head &&
      !this.better(readings[this.positions.at(-1)], readings[position])
    ) {
      this.positions.pop();
    }
    this.positions.push(position);
  }
  leave(begin) {
    if (this.positions[this.head] < begin) this.head++;
  }
  get reading() {
    return readings[this.positions[this.head]];
  }
}

const highest = new Front((a, b) => a > b);
const lowest = new Front((a, b) => a < b);
let begin = 0;
let calm = 0;
for (let end = 0; end < readings.length; end++) {
  highest.add(end);
  lowest.add(end);
  while (highest.reading - lowest.reading > d) {
    begin++;
    highest.leave(begin);
    lowest.leave(begin);
  }
  calm += end - begin + 1;
}
console.log(calm);
