// Run and check: sending the code, waiting for the judge, showing what it says.

import { ApiError, get, holdButton, ping, post } from "./api.js";
import { $, announce, el, sleep, store, uuid } from "./dom.js";
import { fill, gettext, ngettext } from "./i18n.js";
import { asText, badge, countText, resultNode, verdictName } from "./results.js";

export class Solve {
  /**
   * `code()` answers `{ language, code }`; `draft` is held while a check runs; `onResult(result)`
   * after every check, `onClosed()` when the task is done, `onOver()` when the interview is.
   */
  constructor({ sessionId, attemptsMax, code, draft, restore, onResult, onClosed, onOver }) {
    Object.assign(this, { sessionId, attemptsMax, code, draft, restore, onResult, onClosed, onOver });
    this.area = $("#results");
    this.buttons = { run: $("#run"), check: $("#check"), own: $("#own button") };
    this.buttons.run.addEventListener("click", () => this.run());
    this.buttons.check.addEventListener("click", () => this.check());
    const toggle = $("#own-toggle");
    const own = $("#own");
    toggle.addEventListener("click", () => {
      own.hidden = !own.hidden;
      toggle.setAttribute("aria-expanded", String(!own.hidden));
      if (!own.hidden) $("#own-input").focus();
    });
    own.addEventListener("submit", (event) => { event.preventDefault(); this.runOwn(); });
  }

  get pendingKey() { return `neurogame:checking:${this.sessionId}`; }

  /** Begin with a task and the attempts made at it so far. */
  open(task, attempts) {
    this.task = task;
    this.attempts = attempts;
    this.closed = false;
    this.area.replaceChildren();
    $("#own-error").hidden = true;
    const call = task.kind === "function";
    const [example] = task.visible_tests ?? [];
    $("#own-input").value = call ? JSON.stringify(example?.args ?? []) : asText(example?.stdin);
    $("#own-label").textContent = call ? gettext("Arguments: a JSON list") : gettext("Standard input");
    this.lock(false);
    this.showAttempts();
    const waiting = store.get(this.pendingKey);
    if (waiting?.task_id === task.id) this.send("check", waiting);
    else if (attempts.length) this.area.replaceChildren(this.history());
  }

  run() {
    return this.send("run", this.message());
  }

  runOwn() {
    const text = $("#own-input").value;
    const message = this.message();
    const problem = $("#own-error");
    problem.hidden = true;
    $("#own-input").removeAttribute("aria-invalid");
    if (this.task?.kind === "function") {
      try {
        message.args = JSON.parse(text);
        if (!Array.isArray(message.args)) throw new Error("not a list");
      } catch {
        problem.textContent = gettext("Write the arguments as a JSON list, for example [[1, 2, 3], 2].");
        problem.hidden = false;
        $("#own-input").setAttribute("aria-invalid", "true");
        $("#own-input").focus();
        return null;
      }
    } else {
      message.stdin = text;
    }
    return this.send("run", message, true);
  }

  check() {
    if (this.busy || this.closed || !this.task) return null;
    const message = { ...this.message(), submission_id: uuid() };
    store.set(this.pendingKey, message);
    return this.send("check", message);
  }

  message() {
    return { session_id: this.sessionId, task_id: this.task?.id, ...this.code() };
  }

  async send(kind, message, own = false) {
    if (this.busy || this.closed || !this.task) return;
    this.setBusy(kind, true);
    this.area.replaceChildren(el("p", { class: "waiting" },
      kind === "check" ? gettext("Checking against all tests…") : gettext("Running…")));
    try {
      if (kind === "check") await this.draft.hold();
      const result = await this.judge(kind, message);
      if (message.task_id === this.task?.id) this.show(kind, result, message, own);
      if (kind === "check") store.remove(this.pendingKey);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (kind === "check" && error.status !== 0) store.remove(this.pendingKey);
      this.fail(kind, error);
    } finally {
      if (kind === "check") this.draft.release();
      this.setBusy(kind, false);
    }
  }

  /** The judge's answer, through polling and broken connections. */
  async judge(kind, message) {
    const path = `/tasks/${kind}`;
    let ask = () => post(path, message);
    for (let tries = 0; ; ) {
      try {
        const { status, body } = await ask();
        if (status !== 202) return body;
        ask = () => get(`/tasks/runs/${encodeURIComponent(body.run_id)}`);
        tries = 0;
        this.area.replaceChildren(el("p", { class: "waiting" }, body.status === "queued"
          ? gettext("Waiting for a free judge…") : gettext("Still running…")));
        await sleep(1200);
      } catch (error) {
        // A check is idempotent and a poll is a read: both may be sent again. A run costs nothing.
        const again = error instanceof ApiError && error.status === 0 && tries < 60;
        if (!again) throw error;
        tries += 1;
        this.area.replaceChildren(el("p", { class: "waiting" },
          gettext("No connection. The code is sent again as soon as there is one.")));
        await sleep(Math.min(8000, 1000 * tries));
        await ping();
      }
    }
  }

  show(kind, result, message, own) {
    if (kind === "check") {
      if (result.verdict !== "IE") {
        this.attempts = this.attempts.filter((made) => made.attempt !== result.attempt);
        this.attempts.push({ ...message, attempt: result.attempt, verdict: result.verdict,
          passed: result.passed, total: result.total });
      }
      this.showAttempts();
    }
    const left = this.left;
    const done = kind === "check" && (result.verdict === "AC" || result.state === "closed" || left <= 0);
    let say = "";
    if (kind === "check" && result.verdict === "AC") say = gettext("All tests passed. Well done.");
    else if (done) say = gettext("That was the last attempt at this task.");
    else if (kind === "run" && !own && result.verdict === "AC") {
      say = gettext("The examples pass. Check the solution to run the hidden tests too.");
    }
    const parts = [resultNode(result, { say, own })];
    if (kind === "check" && this.attempts.length > 1) parts.push(this.history());
    this.area.replaceChildren(...parts);
    this.area.scrollTop = 0;
    this.area.scrollIntoView({ block: "nearest" });
    const words = own && result.verdict === "AC" ? gettext("Finished") : verdictName(result.verdict);
    announce(result.total ? `${words}. ${countText(result)}.` : words);
    if (kind === "check") this.onResult(result);
    if (done) this.close();
  }

  fail(kind, error) {
    if (error.over) { this.onOver(); return; }
    const notice = el("div", { class: "notice notice--bad", role: "alert" }, el("p", {}, error.detail));
    this.area.replaceChildren(notice);
    if (error.status === 429) holdButton(this.buttons[kind === "check" ? "check" : "run"], error.wait ?? 5);
    if (error.status === 409 && (error.code === "task_closed" || error.body.task_state === "closed")) {
      this.close();
    }
  }

  /** The task is done: nothing more is sent for it. */
  close() {
    this.closed = true;
    this.lock(true);
    this.onClosed();
  }

  lock(on) {
    for (const button of Object.values(this.buttons)) button.disabled = on;
  }

  setBusy(kind, on) {
    this.busy = on;
    const active = this.buttons[kind];
    active.toggleAttribute("aria-busy", on);
    if (on) active.setAttribute("aria-busy", "true");
    for (const button of Object.values(this.buttons)) {
      if (on) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
  }

  get left() {
    const used = this.attempts.reduce((most, made) => Math.max(most, made.attempt ?? 0), 0);
    return Math.max(0, this.attemptsMax - used);
  }

  showAttempts() {
    $("#attempts").textContent = fill(ngettext("%(n)s attempt left", "%(n)s attempts left", this.left),
      { n: this.left });
  }

  /** Earlier attempts with their code, to look at and to take back. */
  history() {
    const made = [...this.attempts].filter((attempt) => attempt.attempt)
      .sort((a, b) => b.attempt - a.attempt);
    return el("ul", { class: "tests", "aria-label": gettext("Your attempts") }, made.map((attempt) =>
      el("li", { class: "test test--hidden" }, badge(attempt.verdict),
        el("span", { class: "test__name" }, fill(gettext("Attempt %(n)s: %(passed)s of %(total)s"),
          { n: attempt.attempt, passed: attempt.passed, total: attempt.total })),
        el("button", { class: "link-button small", type: "button",
          onclick: () => this.restore(attempt) }, gettext("Take this code")))));
  }
}
