const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [n, m, w] = lines[0].split(" ").map(Number);

const users = new Map();
for (const line of lines.slice(1, n + 1)) {
  const [user, variant, text] = line.trim().split(" ");
  const time = Number(text);
  const known = users.get(user);
  if (!known) users.set(user, { variant, since: time, both: false, converted: false });
  else {
    known.since = Math.min(known.since, time);
    known.both = known.both || known.variant !== variant;
  }
}
for (const line of lines.slice(n + 1, n + m + 1)) {
  const [name, text] = line.trim().split(" ");
  const user = users.get(name);
  const delay = user ? Number(text) - user.since : -1;
  if (delay >= 0 && delay <= w) user.converted = true;
}

const groups = ["A", "B"].map((variant) => {
  const members = [...users.values()].filter((user) => !user.both && user.variant === variant);
  return { n: members.length, x: members.filter((user) => user.converted).length };
});
for (const group of groups) console.log(`${group.n} ${group.x}`);
const [a, b] = groups;
if (a.n === 0 || b.n === 0) console.log("0 0 0");
else {
  const spread = ({ n: size, x }) => ((x / size) * (1 - x / size)) / size;
  const difference = b.x / b.n - a.x / a.n;
  const p = (a.x + b.x) / (a.n + b.n);
  const mixed = a.x + b.x > 0 && a.x + b.x < a.n + b.n;
  const z = mixed ? difference / Math.sqrt(p * (1 - p) * (1 / a.n + 1 / b.n)) : 0;
  const half = 1.96 * Math.sqrt(spread(a) + spread(b));
  console.log([z, difference - half, difference + half].map((v) => v.toFixed(9)).join(" "));
}
