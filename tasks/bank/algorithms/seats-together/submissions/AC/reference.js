const row = require("node:fs").readFileSync(0, "utf8").trim();
let best = 0;
let first = 0;
let run = 0;
for (let seat = 1; seat <= row.length; seat++) {
  run = row[seat - 1] === "." ? run + 1 : 0;
  if (run > best) {
    best = run;
    first = seat - run + 1;
  }
}
console.log(best, first);
