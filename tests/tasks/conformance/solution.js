const fs = require("fs");

const lines = fs.readFileSync(0, "utf8").split("\n");
const deeper = (n) => deeper(n + 1) + 1;

switch (lines[0].trim()) {
  case "sum":
    console.log(lines.slice(1).join(" ").trim().split(/\s+/).reduce((a, b) => a + Number(b), 0));
    break;
  case "bare":
    process.stdout.write("42");
    break;
  case "wrong":
    console.log(41);
    break;
  case "exception":
    throw new RangeError("no good");
  case "exit":
    process.exit(3);
  case "signal":
    process.kill(process.pid, "SIGKILL");
    for (;;);
  case "loop":
    for (;;);
  case "sleep":
    setTimeout(() => {}, 60000);
    break;
  case "memory":
    for (const held = []; ; ) held.push(new Array(10000).fill(1.5));
  case "recursion":
    console.log(deeper(0));
    break;
  case "flood":
    for (;;) console.log("x".repeat(1000));
  case "early":
    process.exit(0);
  case "closed":
    fs.closeSync(1);
    fs.writeSync(1, "42\n");
    break;
  case "line":
    console.log(lines[1].trim().length);
    break;
  case "bytes":
    process.stdout.write(Buffer.from([0x34, 0xff, 0xfe, 0x32, 0x0a]));
    break;
  case "past":
    console.log(Number(lines[1].trim()) + Number(lines[3].trim()));
    break;
}
