// The observers behind the signals: each turns what happens on the page into a small event.

import { $, store } from "./dom.js";
import { sha256 } from "./sha256.js";

const TEXT_BYTES = 4096;
const IDLE_MS = 60000;
const KEYS_MS = 10000;
const EDITS_MS = 2000;

/** The longest beginning of `text` within `bytes` of UTF-8. */
function cut(text, bytes = TEXT_BYTES) {
  const raw = new TextEncoder().encode(text);
  if (raw.length <= bytes) return text;
  return new TextDecoder().decode(raw.subarray(0, bytes)).replace(/\uFFFD+$/, "");
}

const plain = (text) => text.replace(/\r\n?/g, "\n").trim();

/** Start every observer on `queue`; answers what the rest of the page tells it. */
export function watch(queue, sessionId) {
  const clipboard = watchClipboard(queue, sessionId);
  watchAttention(queue);
  watchWindow(queue);
  const edits = watchTyping(queue);
  queue.onLeave = () => edits.flush();
  return {
    edit: edits.edit,
    /** A task was opened, or the code was replaced by the page: playback starts from this text. */
    opened(taskId, language, code, origin = "open") {
      edits.flush();
      queue.taskId = taskId;
      clipboard.own(code);
      queue.add("edit", { origin, language, length: code.length, text: cut(code, 16384) });
    },
    reconnected: (kind, awayMs) => queue.add("reconnect", { kind, away_ms: awayMs }),
  };
}

function watchClipboard(queue, sessionId) {
  const key = `neurogame:copied:${sessionId}`;
  const hashes = new Set(store.get(key, []));
  const texts = [];
  const place = (node) => {
    const pane = node instanceof Element ? node.closest(".editor, #task-body, .pane--chat, .own, #results") : null;
    if (!pane) return "page";
    if (pane.matches(".editor")) return "editor";
    if (pane.matches("#task-body")) return "task";
    if (pane.matches(".pane--chat")) return "chat";
    return pane.matches(".own") ? "input" : "results";
  };
  const describe = (text) => ({ chars: text.length, sha256: sha256(text), text: cut(text) });
  const internal = (text) => {
    const wanted = plain(text);
    return hashes.has(sha256(wanted)) || texts.some((own) => own.includes(wanted)) ||
      plain($("#task-body")?.innerText ?? "").includes(wanted);
  };
  const taken = (event) => {
    const node = event.target;
    const field = node instanceof HTMLTextAreaElement || node instanceof HTMLInputElement;
    // The editor puts its own text on the clipboard before the event gets here.
    const text = event.clipboardData?.getData("text/plain") ||
      (field ? node.value.slice(node.selectionStart, node.selectionEnd) : String(document.getSelection()));
    if (!text) return;
    hashes.add(sha256(plain(text)));
    store.set(key, [...hashes].slice(-100));
    const from = place(node instanceof Element ? node : node?.parentElement);
    queue.add(event.type, { ...describe(text), source: "internal", place: from });
    if (event.type === "copy" && from === "task") queue.add("task_text_copy", describe(text));
  };
  const given = (event, data, how) => {
    const text = data?.getData("text/plain");
    if (!text) return;
    queue.add("paste", { ...describe(text), source: internal(text) ? "internal" : "external",
      place: place(event.target), how });
  };
  document.addEventListener("copy", taken);
  document.addEventListener("cut", taken);
  document.addEventListener("paste", (event) => given(event, event.clipboardData, "paste"), true);
  document.addEventListener("drop", (event) => given(event, event.dataTransfer, "drop"), true);
  return {
    /** Text that the page itself showed in the editor is never somebody else's. */
    own(text) {
      if (text.trim()) texts.push(plain(text));
      if (texts.length > 30) texts.shift();
    },
  };
}

function watchAttention(queue) {
  let blurred = 0;
  let hidden = 0;
  window.addEventListener("blur", () => { blurred = Date.now(); queue.add("blur"); });
  window.addEventListener("focus", () => {
    queue.add("focus", blurred ? { away_ms: Date.now() - blurred } : {});
    blurred = 0;
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      hidden = Date.now();
      queue.add("visibility_hidden");
      queue.leave();
    } else {
      queue.add("visibility_visible", hidden ? { away_ms: Date.now() - hidden } : {});
      hidden = 0;
    }
  });
  let last = Date.now();
  const active = () => {
    const now = Date.now();
    if (now - last >= IDLE_MS) queue.add("idle", { idle_ms: now - last }, now);
    last = now;
  };
  for (const type of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
    document.addEventListener(type, active, { passive: true, capture: true });
  }
}

function watchWindow(queue) {
  document.addEventListener("fullscreenchange", () =>
    queue.add(document.fullscreenElement ? "fullscreen_enter" : "fullscreen_exit"));
  // Docked developer tools take a strip from the page while the window keeps its size. Zoom,
  // a resized window, a phone's keyboard or its address bar look different and are left out.
  if (!window.matchMedia("(pointer: fine)").matches) return;
  const measure = () => ({ ow: window.outerWidth, oh: window.outerHeight, iw: window.innerWidth,
    ih: window.innerHeight, dpr: window.devicePixelRatio });
  let before = measure();
  let reported = 0;
  window.addEventListener("resize", () => {
    const now = measure();
    const same = now.ow === before.ow && now.oh === before.oh && now.dpr === before.dpr;
    const width = before.iw - now.iw;
    const height = before.ih - now.ih;
    if (same && (width > 220 || height > 220) && Date.now() - reported > 60000) {
      reported = Date.now();
      queue.add("devtools_suspected", { lost_width: width, lost_height: height, way: "docked" });
    }
    before = now;
  });
}

function watchTyping(queue) {
  let gaps = [];
  let keys = 0;
  let deletes = 0;
  let lastKey = 0;
  let began = 0;
  const flushKeys = () => {
    if (!keys) return;
    const sorted = [...gaps].sort((a, b) => a - b);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / (gaps.length || 1);
    const spread = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / (gaps.length || 1));
    queue.add("keystroke_batch", { keys, deletes, duration_ms: Math.round(lastKey - began),
      mean_ms: Math.round(mean), sd_ms: Math.round(spread),
      median_ms: Math.round(sorted[sorted.length >> 1] ?? 0),
      longest_ms: Math.round(sorted.at(-1) ?? 0) });
    gaps = [];
    keys = deletes = 0;
  };
  $("#editor").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const erases = event.key === "Backspace" || event.key === "Delete";
    if (event.key.length !== 1 && event.key !== "Enter" && !erases) return;
    const now = performance.now();
    if (keys) gaps.push(now - lastKey);
    else began = now;
    keys += 1;
    deletes += erases ? 1 : 0;
    lastKey = now;
  }, true);

  let edits = [];
  let first = 0;
  let length = 0;
  const flushEdits = () => {
    if (edits.length) queue.add("edit", { length, edits }, first);
    edits = [];
  };
  const edit = ({ origin, changes, length: now }) => {
    if (!edits.length) first = Date.now();
    length = now;
    for (const [from, to, text] of changes) {
      const kept = cut(text);
      edits.push([Date.now() - first, from, to, kept, origin,
        ...(kept.length < text.length ? [text.length] : [])]);
    }
    if (edits.length >= 60 || JSON.stringify(edits).length > 12000) flushEdits();
  };
  setInterval(flushEdits, EDITS_MS);
  setInterval(flushKeys, KEYS_MS);
  return { edit, flush() { flushEdits(); flushKeys(); } };
}
