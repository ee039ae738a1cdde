// The task panel: statement, examples, limits, what is left.

import { $, el } from "./dom.js";
import { duration, fill, gettext, number } from "./i18n.js";
import { argsText, asText } from "./results.js";
import { blocks } from "./text.js";

/** Show a task; `order` is its number in the interview. */
export function showTask(task, order) {
  $("#task-title").textContent = task.title;
  $("#task-meta").replaceChildren(...facts(task, order).map((text) =>
    el("li", { class: "badge" }, text)));
  const statement = $("#statement");
  // `statement_html` is made and sanitised by the server; without it the Markdown is drawn here.
  if (task.statement_html) statement.innerHTML = task.statement_html;
  else statement.replaceChildren(...blocks(task.statement ?? ""));
  for (const block of statement.querySelectorAll("pre, table")) block.tabIndex = 0;
  levelHeadings(statement);

  const tests = task.visible_tests ?? [];
  $("#samples").hidden = !tests.length;
  $("#samples-list").replaceChildren(...tests.map(sample));
  const limits = task.limits;
  $("#limits").textContent = limits
    ? fill(gettext("Limits of one run: %(time)s s of CPU time, %(memory)s MB of memory."),
      { time: number(limits.time_s, limits.time_s % 1 ? 1 : 0), memory: number(limits.memory_mb) })
    : "";
  $("#task-foot").hidden = false;
  $("#next").hidden = true;
  $("#skip").hidden = false;
  $("#task-body").scrollTop = 0;
}

/** The statement stands under the task's title: its headings begin with the third level. */
function levelHeadings(root) {
  let before = 2;
  const top = Math.min(...[...root.querySelectorAll("h1, h2, h3, h4, h5, h6")]
    .map((heading) => Number(heading.localName[1])));
  for (const heading of root.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const level = Math.min(6, before + 1, Number(heading.localName[1]) - top + 3);
    if (heading.localName !== `h${level}`) {
      heading.replaceWith(el(`h${level}`, {}, ...heading.childNodes));
    }
    before = level;
  }
}

function facts(task, order) {
  const list = [];
  if (order) list.push(fill(gettext("Task %(n)s"), { n: order }));
  if (task.kind === "function") list.push(gettext("Write a function"));
  else if (task.kind === "sql") list.push(gettext("Write a query"));
  else list.push(gettext("Read input, print output"));
  if (task.time_limit_s) list.push(duration(task.time_limit_s));
  return list;
}

function sample(test, at) {
  const call = test.args !== undefined && test.args !== null;
  const side = (label, text) => el("div", {}, el("p", { class: "io__label" }, label),
    el("pre", { tabindex: "0", "aria-label": label }, text || " "));
  return el("div", { class: "sample" },
    el("h4", {}, fill(gettext("Example %(n)s"), { n: at + 1 })),
    el("div", { class: "io" },
      side(call ? gettext("Arguments") : gettext("Input"), call ? argsText(test.args) : asText(test.stdin)),
      side(call ? gettext("Result") : gettext("Output"), asText(test.expected))));
}

/** No task: why, and what is left to do. */
export function showNoTask(reason) {
  $("#task-title").textContent = gettext("No more tasks");
  const why = {
    precise: gettext("Your answers say enough: no further task is needed."),
    time: gettext("The time left is too short for another task."),
    bank: gettext("You have seen every task of this track."),
    length: gettext("You have done all tasks of this interview."),
    ended: gettext("The interview has ended."),
  }[reason] ?? gettext("There are no further tasks.");
  $("#task-meta").replaceChildren();
  $("#statement").replaceChildren(el("p", {}, why), el("p", {},
    gettext("You can still write to the interviewer. When you are done, finish the interview.")));
  $("#samples").hidden = true;
  $("#limits").textContent = "";
  $("#task-foot").hidden = true;
}
