// Clocks that run by the server's time, whatever the computer's own clock says.

import { announce } from "./dom.js";
import { duration, fill, gettext } from "./i18n.js";

let offset = 0;
let known = false;

/** Learn the server's time from an answer that took `roundTripMs` to come. */
export function syncClock(serverTime, roundTripMs = 0) {
  const server = Date.parse(serverTime);
  if (!Number.isFinite(server)) return;
  const measured = server + roundTripMs / 2 - Date.now();
  // A slow answer says less than the first good one: large jumps only.
  if (!known || Math.abs(measured - offset) > 1500) offset = measured;
  known = true;
}

export const serverNow = () => Date.now() + offset;

function clockText(seconds) {
  const total = Math.max(0, Math.ceil(seconds));
  const pad = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  return hours ? `${hours}:${pad(minutes)}:${pad(total % 60)}` : `${minutes}:${pad(total % 60)}`;
}

/**
 * A countdown in `node` (with a `.clock__time` inside). `spoken` is a text with `%(time)s` that is
 * announced at ten, five and one minutes; `onEnd` is called once for each end.
 */
export class Countdown {
  constructor(node, { spoken, onEnd }) {
    this.node = node;
    this.face = node.querySelector(".clock__time");
    this.spoken = spoken;
    this.onEnd = onEnd;
    this.end = null;
    this.before = Infinity;
    this.timer = setInterval(() => this.tick(), 500);
    document.addEventListener("visibilitychange", () => this.tick());
  }

  /** Run to `end` (ISO text or milliseconds); null stops and hides the clock. */
  set(end) {
    const at = typeof end === "string" ? Date.parse(end) : end;
    if (at === this.end) return;
    this.end = Number.isFinite(at) ? at : null;
    this.before = Infinity;
    this.ended = false;
    this.node.hidden = this.end === null;
    this.tick();
  }

  get left() { return this.end === null ? Infinity : (this.end - serverNow()) / 1000; }

  tick() {
    if (this.end === null) return;
    const left = this.left;
    const text = clockText(left);
    if (this.face.textContent !== text) this.face.textContent = text;
    this.node.dataset.level = left <= 60 ? "last" : left <= 300 ? "low" : "";
    for (const mark of [600, 300, 60]) {
      if (this.before > mark && left <= mark && this.before !== Infinity) {
        announce(fill(this.spoken, { time: duration(mark) }));
      }
    }
    this.before = left;
    if (left <= 0 && !this.ended) {
      this.ended = true;
      this.onEnd?.();
    }
  }
}

export const spokenSession = () => gettext("%(time)s left in the interview.");
export const spokenTask = () => gettext("%(time)s left for this task.");
