// The workspace: what the server knows of the interview, and who on the page shows it.

import { ApiError, get, onNetwork, onSignedOut, ping, post, useToken } from "./api.js";
import { Chat } from "./chat.js";
import { $, announce, ask, banner, el, sleep } from "./dom.js";
import { Draft } from "./draft.js";
import { CodePanel } from "./editor.js";
import { gettext } from "./i18n.js";
import { SignalQueue } from "./signals.js";
import { Solve } from "./solve.js";
import { showNoTask, showTask } from "./task.js";
import { Countdown, spokenSession, spokenTask, syncClock } from "./timer.js";
import { watch } from "./watch.js";

const boot = JSON.parse($("#boot").textContent);
const sessionId = boot.session_id;
const workspace = $("#workspace");
useToken(boot.csrf);

let session = null;
let task = null;
let leaving = false;
let lostAt = 0;

const queue = boot.signals ? new SignalQueue(sessionId) : null;
const signals = queue ? watch(queue, sessionId) : null;

const draft = new Draft({
  sessionId,
  onState: (text, level) => {
    $("#save-state").textContent = text;
    $("#save-state").dataset.level = level;
  },
  onTake: (theirs) => {
    panel.take(theirs);
    signals?.opened(task?.id, theirs.language, theirs.code, "take");
  },
  onOver: leave,
});

const panel = new CodePanel({
  nonce: $('meta[name="csp-nonce"]').content,
  onChange: (current) => draft.change(current),
  onEdit: (edit) => signals?.edit(edit),
  onRun: () => solve.run(),
  onCheck: () => solve.check(),
});

const solve = new Solve({
  sessionId,
  attemptsMax: boot.attempts,
  code: () => ({ language: panel.language, code: panel.code }),
  draft,
  restore: (attempt) => {
    panel.take(attempt);
    signals?.opened(task?.id, attempt.language, attempt.code, "restore");
    draft.change({ language: panel.language, code: panel.code });
    panel.focus();
  },
  // An error of ours gives time back: the clocks are read again.
  onResult: (result) => { if (result.verdict === "IE") resync(); },
  onClosed: taskDone,
  onOver: leave,
});

const chat = new Chat({
  sessionId,
  resync,
  onLink: (open) => {
    if (open) {
      if (lostAt) signals?.reconnected("stream", Date.now() - lostAt);
      lostAt = 0;
    } else {
      lostAt ||= Date.now();
    }
    setTimeout(() => {
      $("#link-state").textContent = lostAt && !leaving ? gettext("Reconnecting…") : "";
    }, open ? 0 : 3000);
  },
  onUnread: () => {
    const hidden = getComputedStyle($(".pane--chat")).display === "none";
    if (hidden) $(".work-tabs__new").hidden = false;
  },
  onOver: leave,
});

const sessionClock = new Countdown($("#session-clock"), { spoken: spokenSession(), onEnd: timeIsUp });
const taskClock = new Countdown($("#task-clock"), { spoken: spokenTask(), onEnd: taskTimeIsUp });

// --- the interview ---

async function load() {
  const began = performance.now();
  const { body } = await get(`/interview/${sessionId}`);
  syncClock(body.server_time, performance.now() - began);
  session = body;
  if (body.state === "finished") { leave(); return; }
  sessionClock.set(body.state === "paused" ? null : body.ends_at);
  banner("paused", body.state === "paused"
    ? gettext("The interview is paused. The clock stands still until it goes on.") : "");
  if (body.task && body.task.id === task?.id && !solve.closed) taskClock.set(deadline(body.task));
  chat.show(body.messages);
}

const deadline = (given) =>
  Date.parse(given.deadline) || Date.parse(given.issued_at) + given.time_limit_s * 1000;

/** Read the interview again: the chat may have missed something. */
async function resync() {
  try {
    await load();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) leave();
  }
}

/** The open task, or the next one. */
async function nextTask({ focus = true } = {}) {
  try {
    const { body } = await get(`/tasks/next?session_id=${encodeURIComponent(sessionId)}`);
    if (body.task) await openTask(body.task);
    else if (body.reason === "ended") leave();
    else endOfTasks(body.reason);
    if (focus) {
      show("task");
      $("#task-title").focus();
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.over) leave();
    else banner("next", error.detail, { kind: "bad", action: { label: gettext("Try again"),
      run: () => { banner("next", ""); nextTask(); } } });
  }
}

async function openTask(given) {
  if (task && task.id !== given.id) await load();
  task = given;
  const attempts = (session.attempts ?? []).filter((made) => made.task_id === task.id);
  const seen = new Set((session.attempts ?? []).map((made) => made.task_id)).add(task.id);
  showTask(task, task.order ?? seen.size);
  taskClock.set(deadline(task));
  const kept = await draft.open(task.id, session.draft);
  panel.open(task, kept);
  signals?.opened(task.id, panel.language, panel.code);
  solve.open(task, attempts);
  $(".pane--code").hidden = false;
}

/** The task is accepted, out of attempts or closed: on to the next. */
function taskDone() {
  taskClock.set(null);
  draft.stop();
  panel.setReadOnly(true);
  $("#skip").hidden = true;
  $("#next").hidden = false;
  const go = el("button", { class: "button button--primary", type: "button", onclick: () => nextTask() },
    gettext("Next task"));
  $("#results").prepend(el("div", { class: "result__next" }, go));
  const inside = document.activeElement;
  if (!inside || inside === document.body || inside.disabled) go.focus();
}

function endOfTasks(reason) {
  task = null;
  draft.stop();
  taskClock.set(null);
  showNoTask(reason);
  panel.setReadOnly(true);
  solve.lock(true);
  $("#attempts").textContent = "";
  $("#results").replaceChildren();
  const finishNow = el("button", { class: "button button--primary", type: "button", onclick: finish },
    gettext("Finish the interview"));
  $("#statement").append(el("p", {}, finishNow));
}

async function taskTimeIsUp() {
  if (!task || solve.closed) return;
  announce(gettext("The time for this task is over."));
  await draft.flush();
  await sleep(1500);
  banner("task-time", gettext("The time for the last task is over. Here is the next one."),
    { closable: gettext("Close") });
  await resync();
  await nextTask();
}

async function skip() {
  if (!task) return;
  const choice = await ask({
    title: gettext("Skip this task?"),
    text: gettext("You cannot come back to it. It counts as not solved, and you get another one."),
    choices: [{ value: "", label: gettext("Stay with it") },
      { value: "yes", label: gettext("Skip it"), kind: "danger" }],
  });
  if (choice !== "yes") return;
  try {
    await draft.hold();
    await post("/tasks/skip", { session_id: sessionId, task_id: task.id });
    draft.stop();
  } catch (error) {
    draft.release();
    if (!(error instanceof ApiError)) throw error;
    if (error.over) { leave(); return; }
    if (error.code !== "task_closed") {
      banner("skip", error.detail, { kind: "bad", closable: gettext("Close") });
      return;
    }
  }
  await resync();
  await nextTask();
}

async function finish() {
  const choice = await ask({
    title: gettext("Finish the interview?"),
    text: gettext("After this you cannot change anything. Time that is left is not used."),
    choices: [{ value: "", label: gettext("Go on working") },
      { value: "yes", label: gettext("Finish"), kind: "primary" }],
  });
  if (choice !== "yes") return;
  try {
    await draft.flush();
    await queue?.flush();
    await post("/interview/finish", { session_id: sessionId });
    leave();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    banner("finish", error.detail, { kind: "bad", closable: gettext("Close") });
  }
}

async function timeIsUp() {
  banner("time", gettext("The time is over. What you wrote is kept."), { kind: "warn" });
  await draft.flush();
  await sleep(1500);
  leave();
}

/** To the closing page; once. */
async function leave() {
  if (leaving) return;
  leaving = true;
  chat.close();
  draft.leave();
  draft.stop();
  await Promise.race([queue?.flush(), sleep(1500)]);
  location.assign(boot.after_url);
}

// --- the page ---

function show(view) {
  workspace.dataset.view = view;
  for (const tab of document.querySelectorAll("[data-show]")) {
    if (tab.dataset.show === view) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
  if (view === "chat") {
    $(".work-tabs__new").hidden = true;
    chat.toEnd(true);
  }
}

for (const tab of document.querySelectorAll("[data-show]")) {
  tab.addEventListener("click", () => show(tab.dataset.show));
}
$("#skip").addEventListener("click", skip);
$("#next").addEventListener("click", () => nextTask());
$("#finish").addEventListener("click", finish);
document.addEventListener("keydown", (event) => {
  const menu = $(".menu");
  if (event.key === "Escape" && menu.open) { menu.open = false; $("summary", menu).focus(); }
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".menu")) $(".menu").open = false;
});

onSignedOut(() => banner("signed-out", gettext("You are signed out. What you wrote is kept."),
  { kind: "warn", action: { label: gettext("Sign in again"), run: () => location.reload() } }));
let offlineSince = 0;
onNetwork((up) => {
  banner("offline", up ? "" : gettext("No connection. Go on working: your code is kept in this browser and sent later."),
    { kind: "warn" });
  if (up && offlineSince) signals?.reconnected("network", Date.now() - offlineSince);
  offlineSince = up ? 0 : Date.now();
  if (up) resync();
  else retryUntilReachable();
});
async function retryUntilReachable() {
  do await sleep(4000); while (offlineSince && !(await ping()));
}
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && session && !leaving) resync();
});

async function start() {
  for (let tries = 0; ; tries += 1) {
    try {
      await load();
      break;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      banner("load", error.detail, { kind: "bad" });
      if (!error.passing) { $("#task-title").textContent = gettext("The interview could not be opened"); return; }
      await sleep(Math.min(10000, 1000 * 2 ** tries));
    }
  }
  banner("load", "");
  if (leaving) return;
  await nextTask({ focus: false });
  workspace.setAttribute("aria-busy", "false");
}

start();
