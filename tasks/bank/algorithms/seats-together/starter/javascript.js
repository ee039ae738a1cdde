const row = require("node:fs").readFileSync(0, "utf8").trim();

// Find the longest block of free seats and print its size and its first seat.
