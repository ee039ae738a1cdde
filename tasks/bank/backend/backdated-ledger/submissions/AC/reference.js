const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [n, m] = lines[0].split(" ").map(Number);
const commands = lines.slice(1, m + 1).map((line) => {
  const [command, ...rest] = line.trim().split(" ");
  return { command, numbers: rest.map(Number) };
});

// Balances by day in a segment tree with additions that are left at the nodes they cover.
class Account {
  constructor(days) {
    this.days = [...days].sort((a, b) => a - b);
    this.low = new Array(4 * this.days.length + 4).fill(0);
    this.pending = new Array(4 * this.days.length + 4).fill(0);
  }

  position(day) {
    let [low, high] = [0, this.days.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.days[middle] <= day) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  addFrom(from, amount, node = 1, left = 0, right = this.days.length - 1) {
    if (right < from) return;
    if (left >= from) {
      this.low[node] += amount;
      this.pending[node] += amount;
      return;
    }
    const middle = (left + right) >> 1;
    this.addFrom(from, amount, 2 * node, left, middle);
    this.addFrom(from, amount, 2 * node + 1, middle + 1, right);
    this.low[node] = Math.min(this.low[2 * node], this.low[2 * node + 1]) + this.pending[node];
  }

  lowest(from, to, node = 1, left = 0, right = this.days.length - 1) {
    if (right < from || left > to) return Infinity;
    if (left >= from && right <= to) return this.low[node];
    const middle = (left + right) >> 1;
    return (
      this.pending[node] +
      Math.min(
        this.lowest(from, to, 2 * node, left, middle),
        this.lowest(from, to, 2 * node + 1, middle + 1, right),
      )
    );
  }
}

const days = Array.from({ length: n + 1 }, () => new Set());
for (const { command, numbers } of commands) {
  if (command === "T") {
    days[numbers[1]].add(numbers[0]);
    days[numbers[2]].add(numbers[0]);
  }
}
const accounts = days.map((set) => new Account(set));

function move(day, payer, receiver, amount) {
  const source = accounts[payer];
  const from = source.position(day);
  if (payer !== 0 && source.lowest(from, source.days.length - 1) < amount) return false;
  source.addFrom(from, -amount);
  accounts[receiver].addFrom(accounts[receiver].position(day), amount);
  return true;
}

const transfers = [];
const out = commands.map(({ command, numbers }) => {
  if (command === "B") {
    const account = accounts[numbers[1]];
    const at = account.position(numbers[0]);
    return at < 0 ? 0 : account.lowest(at, at);
  }
  if (command === "T") {
    const [day, payer, receiver, amount] = numbers;
    const standing = move(day, payer, receiver, amount);
    transfers.push({ day, payer, receiver, amount, standing });
    return standing ? "ok" : "no";
  }
  const old = transfers[numbers[0] - 1];
  if (!old.standing || !move(old.day, old.receiver, old.payer, old.amount)) return "no";
  old.standing = false;
  return "ok";
});
console.log(out.join("\n"));
