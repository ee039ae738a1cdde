// Verdicts in words, results by test, and where expected and actual output part.

import { el } from "./dom.js";
import { fill, gettext, ngettext, number } from "./i18n.js";

const SIGNS = { AC: "✓", WA: "✗", TLE: "◷", MLE: "▤", OLE: "▤", RTE: "!", CE: "!", IE: "?" };

export function verdictName(verdict) {
  return {
    AC: gettext("Accepted"), WA: gettext("Wrong answer"), TLE: gettext("Time limit exceeded"),
    MLE: gettext("Memory limit exceeded"), OLE: gettext("Output limit exceeded"),
    RTE: gettext("Runtime error"), CE: gettext("Compile error"), IE: gettext("Our error"),
  }[verdict] ?? verdict;
}

function advice(verdict) {
  return {
    WA: gettext("The program ran, but printed something else than expected."),
    TLE: gettext("The program was stopped: it took longer than allowed."),
    MLE: gettext("The program was stopped: it used more memory than allowed."),
    OLE: gettext("The program was stopped: it printed more than allowed."),
    RTE: gettext("The program ended with an error."),
    CE: gettext("The program could not be compiled."),
    IE: gettext("The fault is ours. It costs you no attempt and no time: try again in a moment."),
  }[verdict] ?? "";
}

export function badge(verdict, text = verdictName(verdict)) {
  return el("span", { class: `badge badge--${verdict}` },
    el("span", { "aria-hidden": "true" }, SIGNS[verdict] ?? "•"), text);
}

export function countText({ passed, total }) {
  return fill(ngettext("%(passed)s of %(total)s test passed", "%(passed)s of %(total)s tests passed",
    total), { passed, total });
}

/** The points of the groups of tests, where the task has any. */
function pointsText(groups) {
  const sum = (key) => groups.reduce((all, group) => all + group[key], 0);
  const total = sum("points");
  return fill(ngettext("%(earned)s of %(total)s point", "%(earned)s of %(total)s points", total),
    { earned: sum("earned"), total });
}

/** A value of a test as text: JSON where it is not text already. */
export function asText(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value?.rows)) return rowsText(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What a query answers: the names of the columns, where they count, and a line for each row. */
function rowsText({ columns, rows }) {
  const lines = rows.map((row) => JSON.stringify(row));
  return (columns ? [JSON.stringify(columns), ...lines] : lines).join("\n");
}

/** The output of a query as its expected answer is shown; anything else as it is. */
function answerText(text, expected) {
  if (!Array.isArray(expected?.rows)) return asText(text);
  try {
    const { columns, rows } = JSON.parse(text);
    return rowsText({ columns: expected.columns ? columns : undefined, rows });
  } catch {
    return asText(text);
  }
}

/** The arguments of a call, one a line. */
export function argsText(args) {
  return Array.isArray(args) ? args.map((value) => JSON.stringify(value)).join("\n") : asText(args);
}

const output = (label, content, extra = {}) =>
  el("div", {}, el("h3", {}, label), el("pre", { tabindex: "0", "aria-label": label, ...extra },
    content));

/** For each side, its lines and which of them the other side lacks (longest common subsequence). */
export function diffLines(left, right, most = 300) {
  const split = (text) => text.replace(/\r\n?/g, "\n").replace(/\n+$/, "").split("\n");
  const a = split(left);
  const b = split(right);
  const clean = (line) => line.trimEnd();
  const lost = [new Set(a.keys()), new Set(b.keys())];
  if (a.length > most || b.length > most) {
    for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
      if (clean(a[i]) === clean(b[i])) lost.forEach((set) => set.delete(i));
    }
    return [a, b, ...lost];
  }
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i][j] = clean(a[i]) === clean(b[j]) ? table[i + 1][j + 1] + 1
        : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (clean(a[i]) === clean(b[j])) {
      lost[0].delete(i);
      lost[1].delete(j);
      i += 1;
      j += 1;
    } else if (table[i + 1][j] >= table[i][j + 1]) i += 1;
    else j += 1;
  }
  return [a, b, ...lost];
}

/** JSON text as this page writes JSON, so that only values differ and not spaces. */
function compact(text) {
  if (text === null || text === undefined) return "";
  try { return JSON.stringify(JSON.parse(text)); } catch { return String(text); }
}

function marked(lines, lost) {
  return lines.map((line, at) => el(lost.has(at) ? "mark" : "span", {}, line || " "));
}

function comparison(test) {
  const call = test.args !== undefined && test.args !== null;
  const expected = call ? JSON.stringify(test.expected) : asText(test.expected);
  const actual = call ? compact(test.returned) : answerText(test.stdout, test.expected);
  if (test.passed) return el("div", { class: "sides" },
    output(call ? gettext("Returned") : gettext("Output"), actual || " "));
  const yours = call ? gettext("Your result") : gettext("Your output");
  const wrap = call ? " diff--wrap" : "";
  const [left, right, lostLeft, lostRight] = diffLines(expected, actual);
  return el("div", { class: "sides" },
    output(gettext("Expected"), marked(left, lostLeft), { class: `diff diff--expected${wrap}` }),
    actual ? output(yours, marked(right, lostRight), { class: `diff${wrap}` })
      : el("div", {}, el("h3", {}, yours), el("p", { class: "muted small" },
        call ? gettext("Nothing was returned.") : gettext("Nothing was printed."))));
}

function visibleTest(test, open) {
  const input = test.args === undefined || test.args === null ? test.stdin : argsText(test.args);
  const printed = test.returned === undefined ? "" : test.stdout;
  const body = el("div", { class: "test__body" },
    input ? output(gettext("Input"), input) : null,
    test.skipped ? el("p", { class: "muted small" },
      gettext("Not run: tests that have to pass first did not.")) : comparison(test),
    printed ? output(gettext("Printed"), printed) : null,
    test.stderr ? output(gettext("Error output"), test.stderr) : null);
  return el("li", {}, el("details", { class: "test", open },
    el("summary", {}, badge(test.verdict), el("span", { class: "test__name" }, test.name),
      test.skipped || test.duration === null || test.duration === undefined ? null
        : el("span", { class: "test__time" }, seconds(test.duration))),
    body));
}

const seconds = (value) => fill(gettext("%(n)s s"), { n: number(value, 2) });

/** The answer of a run or a check as one node. `say` is a line under the verdict. */
export function resultNode(result, { say = "", own = false } = {}) {
  const visible = result.tests.filter((test) => test.visible);
  const hidden = result.tests.filter((test) => !test.visible);
  const firstFailed = visible.find((test) => !test.passed);
  const facts = [];
  if (result.groups?.length) facts.push(pointsText(result.groups));
  if (typeof result.duration === "number") facts.push(seconds(result.duration));
  if (result.memory_kb) {
    facts.push(fill(gettext("%(n)s MB"), { n: number(result.memory_kb / 1024, 1) }));
  }
  const name = own && result.verdict === "AC" ? gettext("Finished") : undefined;
  const node = el("div", { class: "result" },
    el("div", { class: "result__head" }, badge(result.verdict, name),
      result.total ? el("span", { class: "result__count" }, countText(result)) : null,
      el("span", { class: "result__facts" }, facts.join(" · "))));
  const line = say || advice(result.verdict);
  if (line) node.append(el("p", { class: "result__say" }, line));
  const out = el("div", { class: "result__out" });
  const part = (title, text) => {
    if (text) out.append(el("h3", {}, title), el("pre", { tabindex: "0", "aria-label": title }, text));
  };
  part(gettext("Compiler"), result.compile_output);
  if (own || !visible.length) {
    part(gettext("Returned"), own ? compact(result.returned) : "");
    part(gettext("Output"), result.stdout);
    part(gettext("Error output"), result.stderr);
    if (own && !result.stdout && !result.stderr && result.returned === undefined) {
      out.append(el("p", { class: "muted small" }, gettext("Nothing was printed.")));
    }
  }
  if (result.truncated) {
    out.append(el("p", { class: "muted small" },
      gettext("The output was cut at the limit; what came before it is shown.")));
  }
  if (out.childNodes.length) node.append(out);
  if (visible.length) {
    node.append(el("ul", { class: "tests" },
      visible.map((test) => visibleTest(test, test === firstFailed))));
  }
  if (hidden.length) node.append(hiddenTests(hidden));
  return node;
}

function hiddenTests(tests) {
  return el("div", { class: "hidden-tests" },
    el("h3", {}, gettext("Hidden tests: only passed or failed is shown")),
    el("ul", {}, tests.map((test) => el("li", {}, badge(test.verdict,
      `${test.name}: ${test.passed ? gettext("passed") : verdictName(test.verdict)}`)))));
}
