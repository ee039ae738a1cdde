const lines = require("node:fs").readFileSync(0, "utf8").split("\n");
const commands = lines.slice(1, Number(lines[0]) + 1).map((line) => line.trim().split(" "));

// Run the commands, then print the length of the text and the text.
