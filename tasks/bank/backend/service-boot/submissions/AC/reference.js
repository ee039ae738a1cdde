const lines = require("fs").readFileSync(0, "utf8").split("\n");
const [n, k] = lines[0].split(" ").map(Number);
const services = new Map();
const dependants = new Map();
for (const line of lines.slice(1, n + 1)) {
  const [name, seconds, ...dependencies] = line.trim().split(/\s+/);
  services.set(name, { name, seconds: Number(seconds), missing: dependencies.length, start: -1 });
  for (const dependency of dependencies) {
    if (!dependants.has(dependency)) dependants.set(dependency, []);
    dependants.get(dependency).push(name);
  }
}

// Lists kept in descending order, so that the smallest stands at the end.
function insert(list, item, before) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before(item, list[middle])) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, item);
}
const byName = (a, b) => a.name < b.name;
const byEnd = (a, b) => a.end < b.end;

const startable = [];
const running = [];
const out = [];
for (const service of services.values()) if (service.missing === 0) insert(startable, service, byName);
let now = 0;
for (;;) {
  while (running.length < k && startable.length) {
    const service = startable.pop();
    service.start = now;
    service.end = now + service.seconds;
    out.push(`${service.name} ${now}`);
    insert(running, service, byEnd);
  }
  if (!running.length) break;
  now = running[running.length - 1].end;
  while (running.length && running[running.length - 1].end === now) {
    for (const name of dependants.get(running.pop().name) || []) {
      const service = services.get(name);
      service.missing -= 1;
      if (service.missing === 0) insert(startable, service, byName);
    }
  }
}
const stuck = [...services.values()].filter((s) => s.start < 0).map((s) => s.name);
stuck.sort((a, b) => (a < b ? -1 : 1));
out.push(stuck.length ? `stuck ${stuck.join(" ")}` : `ready ${now}`);
console.log(out.join("\n"));
