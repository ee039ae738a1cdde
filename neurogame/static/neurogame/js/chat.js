// The chat panel: messages, what is being sent, replies as they stream.

import { ApiError, holdButton, onNetwork, post } from "./api.js";
import { $, announce, el, store, uuid } from "./dom.js";
import { Feed, Replies } from "./feed.js";
import { clockTime, gettext } from "./i18n.js";
import { blocks } from "./text.js";

export class Chat {
  /** `resync()` reads the history again and hands its messages to `show`. */
  constructor({ sessionId, resync, onLink, onUnread, onOver }) {
    Object.assign(this, { sessionId, resync, onUnread, onOver });
    this.log = $("#chat-log");
    this.form = $("#chat-form");
    this.input = $("#chat-text");
    this.button = $("#chat-send");
    this.replies = new Replies();
    this.nodes = new Map();
    this.outboxKey = `neurogame:outbox:${sessionId}`;
    this.sentKey = `neurogame:sent:${sessionId}`;
    this.outbox = store.get(this.outboxKey, []);
    this.sent = store.get(this.sentKey, {});
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    this.input.addEventListener("keydown", (event) => {
      const coarse = window.matchMedia("(pointer: coarse)").matches;
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || coarse) return;
      event.preventDefault();
      this.submit();
    });
    onNetwork((up) => { if (up) this.sendWaiting(); });
    this.feed = new Feed(`/chat/stream?session_id=${encodeURIComponent(sessionId)}`, {
      onEvent: (type, data) => this.take(type, data),
      onLink,
      // Before the first history there is nothing that could be missing from it.
      onLost: () => { if (this.shown) this.resync(); },
    });
    this.watch = setInterval(() => this.checkSilence(), 4000);
  }

  /** Draw the history; called again after every resync. */
  show(messages) {
    const first = !this.shown;
    this.shown = true;
    for (const message of messages) {
      if (message.role === "interviewer") {
        this.draw(this.replies.fromHistory(message), message.created_at, message.reply_to);
      } else {
        const cmid = message.client_message_id;
        if (cmid) this.sent[message.message_id] ??= { cmid, text: message.text };
        this.drawMine({ id: message.message_id, text: message.text, at: message.created_at,
          cmid });
      }
    }
    for (const entry of this.outbox) this.drawMine(entry);
    for (const reply of this.replies.all.values()) {
      if (reply.status === "error") this.note(this.nodes.get(reply.id), reply);
    }
    this.sendWaiting();
    this.toEnd(first);
  }

  submit() {
    const text = this.input.value.trim();
    if (!text || this.closed || this.button.disabled) return;
    const entry = { cmid: uuid(), text, at: new Date().toISOString(), state: "waiting" };
    this.input.value = "";
    this.outbox.push(entry);
    this.keep();
    this.drawMine(entry);
    this.toEnd(true);
    this.sendWaiting();
  }

  /** Send what waits, one after the other and in order. */
  async sendWaiting() {
    if (this.sending) return;
    this.sending = true;
    try {
      for (const entry of [...this.outbox]) {
        if (entry.state !== "waiting") continue;
        if (!(await this.send(entry))) break;
      }
    } finally {
      this.sending = false;
    }
  }

  async send(entry) {
    try {
      const { body } = await post("/chat/send", { session_id: this.sessionId,
        message: entry.text, client_message_id: entry.cmid });
      this.outbox = this.outbox.filter((other) => other !== entry);
      this.sent[body.message_id] = { cmid: entry.cmid, text: entry.text };
      this.keep();
      this.adopt(entry, body.message_id);
      this.draw(this.replies.get(body.reply_id), null, body.message_id);
      this.toEnd();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.over) { this.onOver(); return false; }
      entry.error = error.detail;
      if (error.status === 429) {
        const wait = error.wait ?? 5;
        holdButton(this.button, wait);
        setTimeout(() => this.sendWaiting(), wait * 1000 + 200);
      } else if (error.status !== 0) {
        entry.state = "failed";
      }
      this.keep();
      this.drawMine(entry);
      announce(error.detail);
      return false;
    }
  }

  retry(entry) {
    Object.assign(entry, { state: "waiting", error: "" });
    if (!this.outbox.includes(entry)) this.outbox.push(entry);
    this.keep();
    this.drawMine(entry);
    this.sendWaiting();
  }

  take(type, data) {
    const reply = this.replies.apply(type, data);
    if (!reply) return;
    this.draw(reply);
    this.toEnd();
    if (reply.status === "pending") return;
    this.onUnread();
    announce(reply.status === "complete" ? `${gettext("Interviewer")}: ${Replies.text(reply)}`
      : gettext("The reply failed."));
  }

  /** A reply that says nothing for long is looked up in the history. */
  checkSilence() {
    const waiting = this.replies.pending;
    if (!waiting.length) return;
    const silent = Date.now() - this.feed.lastEvent;
    if (waiting.some((reply) => reply.gap) || silent > 12000) {
      this.feed.lastEvent = Date.now();
      this.resync();
    }
  }

  /** No more messages: the interview is over. */
  close() {
    this.closed = true;
    clearInterval(this.watch);
    this.feed.close();
    this.input.disabled = this.button.disabled = true;
  }

  // --- drawing ---

  node(id, mine) {
    let node = this.nodes.get(id);
    if (!node) {
      node = el("article", { class: `message${mine ? " message--mine" : ""}` },
        el("p", { class: "message__who" }), el("div", { class: "message__text prose" }),
        el("div", { class: "message__note", hidden: true }));
      this.nodes.set(id, node);
      this.log.append(node);
    }
    return node;
  }

  drawMine(entry) {
    if (entry.again) return;
    const id = entry.id ?? entry.cmid;
    if (entry.id && entry.cmid && this.nodes.has(entry.cmid)) this.adopt(entry, entry.id);
    const node = this.node(id, true);
    this.label(node, gettext("You"), entry.at);
    if (node.dataset.text !== entry.text) {
      node.dataset.text = entry.text;
      $(".message__text", node).replaceChildren(...blocks(entry.text));
    }
    const failed = entry.state === "failed";
    const note = $(".message__note", node);
    node.classList.toggle("message--failed", failed);
    note.hidden = !entry.state;
    if (failed) {
      note.replaceChildren(el("span", {}, entry.error || gettext("Not sent.")),
        this.retryButton(entry));
    } else if (entry.state) {
      note.replaceChildren(entry.error || gettext("Sending…"));
    }
  }

  adopt(entry, id) {
    const node = this.nodes.get(entry.cmid);
    this.nodes.delete(entry.cmid);
    if (node && this.nodes.has(id)) node.remove();
    else if (node) this.nodes.set(id, node);
    const kept = this.nodes.get(id);
    if (kept) {
      kept.classList.remove("message--failed");
      $(".message__note", kept).hidden = true;
    }
  }

  draw(reply, at = null, answers = null) {
    const node = this.node(reply.id, false);
    if (answers) node.dataset.answers = answers;
    const text = Replies.text(reply);
    this.label(node, gettext("Interviewer"), at);
    node.setAttribute("aria-busy", String(reply.status === "pending" && Boolean(text)));
    const area = $(".message__text", node);
    if (text) {
      if (node.dataset.text !== text) area.replaceChildren(...blocks(text));
    } else if (reply.status === "pending") {
      area.replaceChildren(el("span", { class: "typing", role: "img",
        "aria-label": gettext("The interviewer is typing") }, el("i"), el("i"), el("i")));
    } else {
      area.replaceChildren(el("p", { class: "line" }, gettext("No reply came.")));
    }
    node.dataset.text = text;
    this.note(node, reply);
  }

  note(node, reply) {
    const note = $(".message__note", node);
    note.hidden = reply.status !== "error";
    node.classList.toggle("message--failed", reply.status === "error");
    if (reply.status !== "error") return;
    const parts = [el("span", {}, reply.error?.detail || gettext("The reply failed."))];
    const asked = this.sent[node.dataset.answers];
    const last = [...this.log.querySelectorAll("[data-answers]")]
      .findLast((other) => other.dataset.answers === node.dataset.answers);
    if (reply.error?.retryable && asked && last === node) parts.push(this.retryButton({ ...asked, of: node }));
    note.replaceChildren(...parts);
  }

  retryButton(entry) {
    const run = (event) => {
      event.currentTarget.remove();
      this.input.focus();
      if (!entry.of) { this.retry(entry); return; }
      // The question stands already: only a new reply is asked for, under the same id.
      this.outbox.push({ cmid: entry.cmid, text: entry.text, state: "waiting", again: true });
      this.keep();
      this.sendWaiting();
    };
    return el("button", { class: "link-button", type: "button", onclick: run },
      gettext("Try again"));
  }

  label(node, who, at) {
    const time = at ?? node.dataset.at ?? new Date().toISOString();
    node.dataset.at = time;
    $(".message__who", node).textContent = `${who} · ${clockTime(new Date(time))}`;
  }

  toEnd(always = false) {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    if (always || scrollHeight - scrollTop - clientHeight < 160) this.log.scrollTop = scrollHeight;
  }

  keep() {
    store.set(this.outboxKey, this.outbox);
    const ids = Object.keys(this.sent);
    for (const id of ids.slice(0, -60)) delete this.sent[id];
    store.set(this.sentKey, this.sent);
  }
}
