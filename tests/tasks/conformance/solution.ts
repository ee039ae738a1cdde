import * as fs from "fs";

const lines: string[] = fs.readFileSync(0, "utf8").split("\n");
const deeper = (n: number): number => deeper(n + 1) + 1;

const cases: Record<string, () => void> = {
  sum: () => console.log(
    lines.slice(1).join(" ").trim().split(/\s+/).reduce((a, b) => a + Number(b), 0)),
  bare: () => void process.stdout.write("42"),
  wrong: () => console.log(41),
  exception: () => { throw new RangeError("no good"); },
  exit: () => process.exit(3),
  signal: () => { process.kill(process.pid, "SIGKILL"); for (;;); },
  loop: () => { for (;;); },
  sleep: () => void setTimeout(() => {}, 60000),
  memory: () => { for (const held: number[][] = []; ; ) held.push(new Array(10000).fill(1.5)); },
  recursion: () => console.log(deeper(0)),
  flood: () => { for (;;) console.log("x".repeat(1000)); },
  early: () => process.exit(0),
  closed: () => { fs.closeSync(1); fs.writeSync(1, "42\n"); },
  line: () => console.log(lines[1]!.trim().length),
  bytes: () => void process.stdout.write(Buffer.from([0x34, 0xff, 0xfe, 0x32, 0x0a])),
  past: () => console.log(Number(lines[1]!.trim()) + Number(lines[3]!.trim())),
};
cases[lines[0]!.trim()]?.();
