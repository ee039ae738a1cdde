// The draft: saved on the server a moment after the last change, in this browser at once.

import { ApiError, onNetwork, put } from "./api.js";
import { ask, el, store } from "./dom.js";
import { clockTime, fill, gettext } from "./i18n.js";

const PAUSE_MS = 1200;
const LONGEST_PAUSE_MS = 8000;
const LONGEST_HOLD_MS = 8000;
const KEEPALIVE_BYTES = 60000;

export class Draft {
  /** `onState(text, level)` shows how things stand; `onTake(draft)` replaces the editor's text. */
  constructor({ sessionId, onState, onTake, onOver }) {
    Object.assign(this, { sessionId, onState, onTake, onOver });
    this.task = null;
    onNetwork((up) => { if (up) this.flush(); });
    window.addEventListener("pagehide", () => this.leave());
  }

  get key() { return `neurogame:draft:${this.sessionId}:${this.task}`; }

  /** Begin with a task: what to show, `{ language, code }`, or null for the starter code. */
  async open(taskId, stored) {
    await this.flush();
    clearTimeout(this.timer);
    this.task = taskId;
    this.stopped = false;
    this.#endHold();
    const server = stored && stored.task_id === taskId ? stored : null;
    const local = store.get(this.key);
    this.version = Math.max(server?.version ?? 0, local?.saved ? local.version ?? 0 : 0);
    this.dirty = false;
    this.since = null;
    this.onState(server ? savedAt(server.saved_at) : "", "");
    if (!local || local.saved || (server && same(local, server))) {
      this.current = server ?? (local ? pick(local) : null);
      return this.current;
    }
    const newer = server && server.version !== local.base;
    const mine = !newer || (await chooseDraft(server)) === "mine";
    this.current = pick(mine ? local : server);
    if (mine) this.change(this.current);
    else this.keep(true);
    return this.current;
  }

  /** The person changed the code or the language. */
  change({ language, code }) {
    this.current = { language, code };
    if (!this.task || this.stopped) return;
    this.dirty = true;
    this.keep(false);
    this.onState(gettext("Saving…"), "");
    this.since ??= Date.now();
    if (!this.held) this.#saveSoon();
  }

  #saveSoon() {
    clearTimeout(this.timer);
    const wait = Date.now() - this.since > LONGEST_PAUSE_MS ? 0 : PAUSE_MS;
    this.timer = setTimeout(() => this.flush(), wait);
  }

  /**
   * Save now, then keep what is typed in this browser only until `release()`: a check may close
   * the task, and what is sent while it does is refused.
   */
  async hold() {
    await this.flush();
    this.held = setTimeout(() => this.release(), LONGEST_HOLD_MS);
  }

  /** The check is over, or takes long: save as usual, unless the task is done. */
  release() {
    this.#endHold();
    if (this.dirty && !this.stopped) this.#saveSoon();
  }

  #endHold() {
    clearTimeout(this.held);
    this.held = null;
  }

  /** Save now what is not saved; answers when it is done or has failed. */
  flush() {
    this.saving = (this.saving ?? Promise.resolve()).then(() => this.#save());
    return this.saving;
  }

  async #save() {
    if (!this.dirty || this.stopped || !this.task || this.asking || this.held) return;
    clearTimeout(this.timer);
    const { task, current } = this;
    this.dirty = false;
    this.since = null;
    try {
      const { body } = await put("/tasks/draft", this.#message());
      if (task !== this.task) return;
      this.version = body.version;
      if (!this.dirty && same(current, this.current)) {
        this.keep(true);
        this.onState(savedAt(body.saved_at), "");
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (task !== this.task) return;
      this.dirty = true;
      await this.#failed(error);
    }
  }

  async #failed(error) {
    if (error.status === 409 && error.body.draft) {
      await this.#conflict(error.body.draft);
    } else if (error.status === 409 || error.status === 404) {
      this.stopped = true;
      this.onState("", "");
      if (error.over) this.onOver();
    } else if (error.passing) {
      this.onState(gettext("Kept in this browser, will be sent later"), "warn");
      this.timer = setTimeout(() => this.flush(), 1000 * (error.wait ?? 5));
    } else {
      this.onState(error.detail, "warn");
    }
  }

  async #conflict(theirs) {
    if (same(theirs, this.current)) {
      this.version = theirs.version;
      this.dirty = false;
      this.keep(true);
      this.onState(savedAt(theirs.saved_at), "");
      return;
    }
    this.asking = true;
    const choice = await chooseDraft(theirs);
    this.asking = false;
    this.version = theirs.version;
    if (choice === "mine") {
      this.timer = setTimeout(() => this.flush(), 0);
    } else {
      this.current = pick(theirs);
      this.dirty = false;
      this.keep(true);
      this.onTake(this.current);
      this.onState(savedAt(theirs.saved_at), "");
    }
  }

  /** The page goes away: one last try that may outlive it. */
  leave() {
    if (!this.dirty || this.stopped || !this.task) return;
    const message = this.#message();
    if (JSON.stringify(message).length * 2 > KEEPALIVE_BYTES) return;
    put("/tasks/draft", message, { keepalive: true }).catch(() => {});
  }

  stop() {
    clearTimeout(this.timer);
    this.#endHold();
    this.stopped = true;
    this.onState("", "");
  }

  keep(saved) {
    store.set(this.key, { ...this.current, saved, version: this.version, base: this.version });
  }

  #message() {
    return { session_id: this.sessionId, task_id: this.task, ...this.current,
      version: this.version + 1 };
  }
}

const pick = ({ language, code }) => ({ language, code });
const same = (a, b) => a.code === b.code && a.language === b.language;
const savedAt = (iso) => fill(gettext("Saved %(time)s"), { time: clockTime(new Date(iso)) });

/** "mine" or "theirs"; dismissing the question keeps what is on the screen. */
async function chooseDraft(theirs) {
  const choice = await ask({
    title: gettext("Two versions of your code"),
    text: [
      fill(gettext("Another tab or computer saved other code at %(time)s. Which one should stay?"),
        { time: clockTime(new Date(theirs.saved_at)) }),
      el("p", { class: "small muted" }, gettext("The other version begins like this:")),
      el("pre", { class: "code-block", tabindex: "0" }, theirs.code.slice(0, 400) || " "),
    ],
    choices: [
      { value: "theirs", label: gettext("Take the other one") },
      { value: "mine", label: gettext("Keep mine"), kind: "primary" },
    ],
  });
  return choice ?? "mine";
}
