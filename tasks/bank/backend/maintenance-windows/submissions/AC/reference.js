const data = require("fs").readFileSync(0, "utf8").split(/\s+/).filter(Boolean).map(Number);
const [n, horizon] = data;
const windows = [];
for (let i = 0; i < n; i++) windows.push([data[2 + 2 * i], data[3 + 2 * i]]);
windows.sort((a, b) => a[0] - b[0]);

let outages = 0;
let downtime = 0;
let reach = 0;
let calm = null;
const offer = (start, length) => {
  if (length > 0 && (calm === null || length > calm.length)) calm = { start, length };
};
for (const [start, end] of windows) {
  if (outages === 0 || start > reach) {
    outages += 1;
    offer(reach, start - reach);
  }
  downtime += Math.max(0, end - Math.max(start, reach));
  reach = Math.max(reach, end);
}
offer(reach, horizon - reach);
console.log(`outages ${outages}`);
console.log(`downtime ${downtime}`);
console.log(calm === null ? "calm none" : `calm ${calm.start} ${calm.length}`);
