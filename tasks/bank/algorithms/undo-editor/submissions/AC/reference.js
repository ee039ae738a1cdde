const lines = require("node:fs").readFileSync(0, "utf8").split("\n");
const done = [];
let text = "";
for (const line of lines.slice(1, Number(lines[0]) + 1)) {
  const [command, value] = line.trim().split(" ");
  if (command === "type") {
    text += value;
    done.push({ typed: value.length, cut: "" });
  } else if (command === "erase") {
    const keep = Math.max(0, text.length - Number(value));
    done.push({ typed: 0, cut: text.slice(keep) });
    text = text.slice(0, keep);
  } else if (done.length > 0) {
    const { typed, cut } = done.pop();
    text = text.slice(0, text.length - typed) + cut;
  }
}
console.log(text.length);
console.log(text);
