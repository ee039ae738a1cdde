// What the candidate agreed to have recorded: collected, kept in this browser, sent in batches.
// Without consent none of this is started.

import { ApiError, post } from "./api.js";
import { store, uuid } from "./dom.js";

const FLUSH_MS = 5000;
const MOST_IN_BATCH = 100;
const MOST_BYTES = 180000;
const KEEPALIVE_BYTES = 55000;
const MOST_KEPT = 3000;

/** The queue: events survive a reload and a lost connection, each is stored once by its id. */
export class SignalQueue {
  constructor(sessionId) {
    this.sessionId = sessionId;
    this.prefix = `neurogame:signals:${sessionId}:`;
    this.key = this.prefix + uuid().slice(0, 8);
    this.seqKey = `neurogame:signals-seq:${sessionId}`;
    this.events = [];
    // What other or earlier tabs left: sending twice is harmless, losing is not.
    for (const key of store.keys(this.prefix)) {
      this.events.push(...store.get(key, []));
      store.remove(key);
    }
    this.seq = store.get(this.seqKey, 0);
    this.timer = setInterval(() => this.flush(), FLUSH_MS);
    window.addEventListener("pagehide", () => this.leave());
    this.keep();
  }

  add(type, payload = {}, at = Date.now()) {
    if (this.stopped) return;
    this.seq += 1;
    const event = { event_id: uuid(), type, ts: new Date(at).toISOString(), seq: this.seq, payload };
    if (this.taskId) event.task_id = this.taskId;
    this.events.push(event);
    if (this.events.length > MOST_KEPT) {
      const spare = this.events.findIndex(({ type: kind }) => kind === "edit" || kind === "keystroke_batch");
      this.events.splice(Math.max(0, spare), 1);
    }
    this.keepSoon();
    if (this.events.length >= MOST_IN_BATCH) this.flush();
  }

  /** As many of the oldest events as fit into `bytes`. */
  batch(bytes, most = MOST_IN_BATCH) {
    const encoder = new TextEncoder();
    const chosen = [];
    let size = 200;
    for (const event of this.events.slice(0, most)) {
      size += encoder.encode(JSON.stringify(event)).length + 1;
      if (size > bytes && chosen.length) break;
      chosen.push(event);
    }
    return chosen;
  }

  async flush() {
    if (this.sending || this.stopped || !this.events.length || Date.now() < (this.notBefore ?? 0)) return;
    this.sending = true;
    const batch = this.batch(MOST_BYTES, this.most);
    try {
      await post("/telemetry/anticheat", { session_id: this.sessionId, events: batch });
      this.drop(batch);
      this.most = undefined;
      this.failures = 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.failed(error, batch);
    } finally {
      this.sending = false;
    }
    if (this.events.length >= MOST_IN_BATCH) this.flush();
  }

  failed(error, batch) {
    if (error.passing || error.status === 401) {
      this.failures = (this.failures ?? 0) + 1;
      this.notBefore = Date.now() + 1000 * (error.wait ?? Math.min(60, 2 ** this.failures));
    } else if (error.status === 413 && batch.length > 1) {
      this.most = Math.ceil(batch.length / 2);
    } else if (error.status === 403 || error.status === 404 || error.status === 409) {
      this.stop();
    } else {
      this.drop(batch);
    }
  }

  /** The page may go away: what is small enough goes out now, the rest waits in the browser. */
  leave() {
    this.onLeave?.();
    this.keep();
    if (this.stopped || !this.events.length) return;
    const batch = this.batch(KEEPALIVE_BYTES, 200);
    post("/telemetry/anticheat", { session_id: this.sessionId, events: batch }, { keepalive: true })
      .then(() => this.drop(batch)).catch(() => {});
  }

  drop(batch) {
    const gone = new Set(batch.map((event) => event.event_id));
    this.events = this.events.filter((event) => !gone.has(event.event_id));
    this.keep();
  }

  keepSoon() {
    this.keeping ??= setTimeout(() => this.keep(), 400);
  }

  keep() {
    clearTimeout(this.keeping);
    this.keeping = undefined;
    store.set(this.seqKey, Math.max(this.seq, store.get(this.seqKey, 0)));
    if (this.events.length) store.set(this.key, this.events);
    else store.remove(this.key);
  }

  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    this.events = [];
    this.keep();
  }
}
