// Small tools for building pages without innerHTML.

export const $ = (selector, root = document) => root.querySelector(selector);

/** An element: `el("p", { class: "note", hidden: true }, "text", child)`. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Say `text` to screen readers without moving the focus. */
export function announce(text) {
  const region = $("#announce");
  if (!region) return;
  const line = el("p", {}, text);
  region.append(line);
  setTimeout(() => line.remove(), 15000);
}

export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What this browser keeps; a full or forbidden store is not an error. */
export const store = {
  get(key, fallback = null) {
    try {
      const text = localStorage.getItem(key);
      return text === null ? fallback : JSON.parse(text);
    } catch { return fallback; }
  },
  set(key, value) {
    try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch { return false; }
  },
  remove(key) {
    try { localStorage.removeItem(key); } catch { /* nothing was kept */ }
  },
  keys(prefix) {
    try { return Object.keys(localStorage).filter((key) => key.startsWith(prefix)); } catch { return []; }
  },
};

/**
 * Ask with the page's dialog. `choices` is a list of `{ value, label, kind }`, the safe one first.
 * Answers the chosen value, or null when the dialog was dismissed.
 */
export function ask({ title, text, choices }) {
  const dialog = $("#dialog");
  if (dialog.open) dialog.close("");
  $("#dialog-title").textContent = title;
  const parts = Array.isArray(text) ? text : [text];
  $("#dialog-text").replaceChildren(
    ...parts.map((part) => (typeof part === "string" ? el("p", {}, part) : part)));
  $("#dialog-actions").replaceChildren(...choices.map(({ value, label, kind }) =>
    el("button", { class: `button${kind ? ` button--${kind}` : ""}`, value, type: "submit" }, label)));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue || null), { once: true });
  });
}

/** A notice above the workspace; the same `id` replaces the earlier one. */
export function banner(id, text, { kind = "info", action = null, closable = false } = {}) {
  const area = $("#banners");
  const old = area.querySelector(`[data-id="${id}"]`);
  if (!text) { old?.remove(); return; }
  if (old && old.dataset.text === text) return;
  const node = el("div", { class: `notice notice--${kind}`, role: kind === "bad" ? "alert" : "status",
    "data-id": id, "data-text": text }, el("p", {}, text));
  if (action) {
    node.append(el("button", { class: "button button--small", type: "button", onclick: action.run },
      action.label));
  } else if (closable) {
    node.append(el("button", { class: "button button--small button--quiet", type: "button",
      onclick: () => node.remove() }, closable));
  }
  if (old) old.replaceWith(node); else area.append(node);
}
