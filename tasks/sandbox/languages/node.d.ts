// What programs of the sandbox may use of Node.js, as far as its types are worth knowing.
// Every module that is not declared here may be imported too; what it exports is `any`.

interface Buffer extends Uint8Array {
  toString(encoding?: string, start?: number, end?: number): string;
}
declare const Buffer: {
  alloc(size: number): Buffer;
  concat(list: readonly Uint8Array[]): Buffer;
  from(data: string | readonly number[] | Uint8Array | ArrayBuffer, encoding?: string): Buffer;
  byteLength(text: string, encoding?: string): number;
};

interface Console {
  log(...data: unknown[]): void;
  info(...data: unknown[]): void;
  warn(...data: unknown[]): void;
  error(...data: unknown[]): void;
  debug(...data: unknown[]): void;
  table(data: unknown): void;
  assert(condition?: boolean, ...data: unknown[]): void;
  time(label?: string): void;
  timeEnd(label?: string): void;
}
declare const console: Console;

declare namespace NodeJS {
  interface Timeout {
    ref(): this;
    unref(): this;
  }
  interface ReadStream extends AsyncIterable<string> {
    setEncoding(encoding: string): this;
    on(event: "data", listener: (chunk: string) => void): this;
    on(event: string, listener: (...args: any[]) => void): this;
    once(event: string, listener: (...args: any[]) => void): this;
    read(size?: number): any;
    resume(): this;
    pause(): this;
    pipe(to: any): any;
    fd: number;
  }
  interface WriteStream {
    write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
    end(data?: string | Uint8Array): void;
    on(event: string, listener: (...args: any[]) => void): this;
    once(event: string, listener: (...args: any[]) => void): this;
    fd: number;
  }
}

declare const process: {
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  argv: string[];
  env: Record<string, string | undefined>;
  pid: number;
  version: string;
  exitCode: number | undefined;
  exit(code?: number): never;
  abort(): never;
  kill(pid: number, signal?: string | number): true;
  on(event: string, listener: (...args: any[]) => void): any;
  nextTick(callback: (...args: any[]) => void, ...args: any[]): void;
  hrtime: { (time?: [number, number]): [number, number]; bigint(): bigint };
  memoryUsage(): Record<string, number>;
  cwd(): string;
};

declare const performance: { now(): number };
declare function setTimeout(run: (...args: any[]) => void, ms?: number, ...args: any[]): NodeJS.Timeout;
declare function setInterval(run: (...args: any[]) => void, ms?: number, ...args: any[]): NodeJS.Timeout;
declare function setImmediate(run: (...args: any[]) => void, ...args: any[]): NodeJS.Timeout;
declare function clearTimeout(timeout?: NodeJS.Timeout): void;
declare function clearInterval(timeout?: NodeJS.Timeout): void;
declare function queueMicrotask(run: () => void): void;
declare function structuredClone<T>(value: T): T;

declare function require(name: "fs" | "node:fs"): typeof import("fs");
declare function require(name: "readline" | "node:readline"): typeof import("readline");
declare function require(name: string): any;
declare const module: { exports: any };
declare const exports: any;

declare module "fs" {
  function readFileSync(path: string | number): Buffer;
  function readFileSync(path: string | number, options: string | { encoding: string }): string;
  function writeFileSync(path: string | number, data: string | Uint8Array): void;
  function appendFileSync(path: string | number, data: string | Uint8Array): void;
  function readSync(
    fd: number, buffer: Uint8Array, offset?: number, length?: number, position?: number | null,
  ): number;
  function writeSync(fd: number, data: string): number;
  function writeSync(fd: number, data: Uint8Array, offset?: number, length?: number): number;
  function openSync(path: string, flags?: string): number;
  function closeSync(fd: number): void;
  function existsSync(path: string): boolean;
}
declare module "node:fs" {
  export * from "fs";
}

declare module "readline" {
  interface Interface extends AsyncIterable<string> {
    on(event: "line", listener: (line: string) => void): this;
    on(event: string, listener: (...args: any[]) => void): this;
    once(event: string, listener: (...args: any[]) => void): this;
    question(query: string, answered: (answer: string) => void): void;
    close(): void;
  }
  function createInterface(options: {
    input: NodeJS.ReadStream; output?: NodeJS.WriteStream; terminal?: boolean; crlfDelay?: number;
  }): Interface;
}
declare module "node:readline" {
  export * from "readline";
}

declare module "*";
