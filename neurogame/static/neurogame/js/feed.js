// The chat's event stream: what was streamed so far of each reply, each event applied once.

/** The replies as the stream tells them: `apply` answers the reply that changed, or null. */
export class Replies {
  constructor() { this.all = new Map(); }

  get(id) {
    let reply = this.all.get(id);
    if (!reply) {
      reply = { id, next: 0, streamed: "", known: "", early: new Map(), status: "pending",
        source: "", error: null, gap: false };
      this.all.set(id, reply);
    }
    return reply;
  }

  /** What is to be shown: the longer of what was streamed and what the history knows. */
  static text(reply) {
    return reply.streamed.length >= reply.known.length ? reply.streamed : reply.known;
  }

  apply(type, data) {
    if (!data?.reply_id) return null;
    const reply = this.get(data.reply_id);
    if (reply.status !== "pending") return null;
    if (type === "delta") return this.#delta(reply, data);
    if (type === "final") {
      Object.assign(reply, { status: "complete", streamed: data.text ?? Replies.text(reply),
        known: "", source: data.source ?? "" });
    } else if (type === "error") {
      Object.assign(reply, { status: "error", error: data });
    }
    return reply;
  }

  #delta(reply, { seq, text }) {
    if (seq < reply.next) return null;
    reply.early.set(seq, text);
    while (reply.early.has(reply.next)) {
      reply.streamed += reply.early.get(reply.next);
      reply.early.delete(reply.next);
      reply.next += 1;
    }
    reply.gap = reply.early.size > 0;
    return reply;
  }

  /** Take over a reply from the history, which wins once it is finished. */
  fromHistory({ message_id: id, text, status, source, retryable, error_code: code }) {
    const reply = this.get(id);
    if (status === "complete") {
      Object.assign(reply, { status, streamed: text, known: "", source: source ?? "", gap: false });
    } else if (status === "error" && reply.status !== "complete") {
      Object.assign(reply, { status, known: text ?? "",
        error: reply.error ?? { code, retryable: retryable ?? true } });
    } else {
      reply.known = text ?? "";
    }
    return reply;
  }

  get pending() { return [...this.all.values()].filter((reply) => reply.status === "pending"); }
}

/**
 * An EventSource that comes back. `onEvent(type, data)` for typing, delta, final and error;
 * `onLink(open)` when the connection opens or breaks; `onLost()` when events may be missing and
 * the history must be read again.
 */
export class Feed {
  constructor(url, { onEvent, onLink, onLost }) {
    Object.assign(this, { url, onEvent, onLink, onLost, failures: 0, closed: false });
    this.lastEvent = Date.now();
    window.addEventListener("online", () => this.reopen());
    window.addEventListener("pagehide", () => this.source?.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.reopen(); });
    this.open();
  }

  open() {
    if (this.closed) return;
    clearTimeout(this.timer);
    this.source?.close();
    const source = new EventSource(this.url);
    this.source = source;
    source.addEventListener("open", () => {
      this.onLost();
      this.failures = 0;
      this.onLink(true);
    });
    for (const type of ["typing", "delta", "final"]) {
      source.addEventListener(type, (event) => this.#take(type, event));
    }
    // The API's own event is called like the connection's: only the former carries data.
    source.addEventListener("error", (event) => {
      if (event instanceof MessageEvent) this.#take("error", event);
      else this.#broken(source);
    });
    source.addEventListener("stream-reset", () => this.onLost());
  }

  reopen() {
    if (this.source?.readyState !== EventSource.OPEN) this.open();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.source?.close();
  }

  #take(type, event) {
    this.lastEvent = Date.now();
    let data;
    try { data = JSON.parse(event.data); } catch { return; }
    this.onEvent(type, data);
  }

  #broken(source) {
    this.onLink(false);
    if (source !== this.source || source.readyState !== EventSource.CLOSED || this.closed) return;
    // The server refused or the network is gone: the browser does not try again by itself.
    this.failures += 1;
    const wait = Math.min(30000, 1000 * 2 ** Math.min(5, this.failures));
    this.timer = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2));
  }
}
