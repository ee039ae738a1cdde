// Runs inside the sandbox: calls the candidate's function once and answers with its value.
// The protocol is that of driver.py; nothing that decides is in here.
"use strict";
const fs = require("fs");
const vm = require("vm");

const call = JSON.parse(fs.readFileSync(0, "utf8"));
const answer = Number(process.argv.pop());
const nonce = Buffer.from(call.nonce, "hex");
const writeSync = fs.writeSync;
fs.closeSync(0);
fs.openSync("/dev/null", "r");
process.argv.splice(1, process.argv.length, "/w/solution.js");

class NotJson extends Error {}

function encode(value, depth) {
  if (depth > 200) throw new NotJson("it is nested too deeply");
  if (value === null || value === undefined) return "null";
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "number":
      if (!Number.isFinite(value)) throw new NotJson(`${value} is not JSON`);
      return Object.is(value, -0) ? "0" : String(value);
    case "bigint":
      return value.toString();
    case "string":
      return JSON.stringify(value);
    case "object":
      break;
    default:
      throw new NotJson(`a value of the type ${typeof value} is not JSON`);
  }
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return "[" + Array.from(value, (item) => encode(item, depth + 1)).join(",") + "]";
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    throw new NotJson(`a value of the class ${prototype.constructor?.name} is not JSON`);
  }
  const members = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .map(([key, item]) => JSON.stringify(key) + ":" + encode(item, depth + 1));
  return "{" + members.join(",") + "}";
}

function fail(message) {
  writeAll(2, Buffer.from(message + "\n"));
  process.exit(1);
}

function writeAll(descriptor, bytes) {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(descriptor, bytes, done);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function report(error) {
  if (!(error instanceof Error)) return fail("Uncaught " + String(error));
  const own = /driver\.js|node:internal|node:vm/;
  const lines = String(error.stack).split("\n").filter((line) => !/^\s+at /.test(line) || !own.test(line));
  return fail(lines.join("\n"));
}

async function main() {
  let value;
  try {
    const module = { exports: {} };
    Object.assign(globalThis, { module, exports: module.exports, require });
    const source = fs.readFileSync("/w/solution.js", "utf8");
    vm.runInThisContext(source, { filename: "/w/solution.js" });
    const name = call.entry;
    const found = vm.runInThisContext(`typeof ${name} === "undefined" ? undefined : ${name}`);
    const entry = typeof found === "function" ? found : globalThis.module.exports[name];
    if (typeof entry !== "function") fail(`solution.js does not define the function ${name}`);
    value = await entry(...call.args);
  } catch (error) {
    report(error);
  }
  let text;
  try {
    text = encode(value, 0);
  } catch (error) {
    fail(`the answer cannot be written as JSON: ${error.message}`);
  }
  const payload = Buffer.from(text, "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  writeAll(answer, Buffer.concat([nonce, length, payload]));
  process.exit(0);
}

main();
