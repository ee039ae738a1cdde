// Keeps the leaderboard fresh: rows are moved and changed in place, so that focus, selection and
// scroll stay where they are. Nothing is asked while the page is hidden or paused. The server draws;
// here only what has changed is put in. The player's id is remembered on this device alone.

import { $, store } from "./dom.js";
import { clockTime, fill, gettext } from "./i18n.js";

const EVERY_MS = 5000;
const PAUSED_KEY = "neurogame:board-paused";
const PLAYER_KEY = "neurogame:board-player";
const { player } = JSON.parse($("#boot").textContent);
const body = $("#rows");
const toggle = $("#live-toggle");
const forget = $("#forget");

let paused = store.get(PAUSED_KEY, false);
let failures = 0;
let timer = null;
let last = null;

/** Remember who asked for themselves, and ask for them again on the next visit. */
function remember() {
  const place = new URL(location.href);
  const known = store.get(PLAYER_KEY);
  if (place.searchParams.has("player")) {
    if (player) store.set(PLAYER_KEY, player);
    else store.remove(PLAYER_KEY);
  } else if (known) {
    place.searchParams.set("player", known);
    location.replace(place);
    return false;
  }
  return true;
}

function forgetMe() {
  store.remove(PLAYER_KEY);
  const place = new URL(location.href);
  place.searchParams.delete("player");
  location.assign(place);
}

/** Masked players may look alike: the n-th of a name is told from the others by its number. */
function keys() {
  const seen = new Map();
  return (name) => {
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return `${seen.get(name)} ${name}`;
  };
}

function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html").body;
}

/** Make the table show these rows, touching only what changed. */
function draw(html) {
  const rows = [...parsed(`<table><tbody>${html}</tbody></table>`).querySelectorAll("tr")];
  $("#empty").hidden = rows.length > 0;
  $("#table").hidden = rows.length === 0;
  const oldKey = keys();
  const before = new Map([...body.rows].map((node) => [oldKey(node.dataset.user), node]));
  const newKey = keys();
  rows.forEach((row, index) => {
    const key = newKey(row.dataset.user);
    let node = before.get(key);
    if (node) {
      before.delete(key);
      node.className = row.className;
      if (row.hasAttribute("aria-current")) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
      [...row.cells].forEach((cell, column) => {
        const old = node.cells[column];
        if (!old.isEqualNode(cell)) old.replaceWith(cell);
      });
    } else {
      node = row;
      node.classList.add("is-new");
    }
    if (body.rows[index] !== node) body.insertBefore(node, body.rows[index] ?? null);
  });
  for (const node of before.values()) node.remove();
}

/** Put a redrawn part in its place, unless somebody is in it; what was open stays open. */
function replace(place, html) {
  if (place.contains(document.activeElement)) return;
  const open = $("details", place)?.open;
  place.replaceChildren(...parsed(html).childNodes);
  const details = $("details", place);
  if (details && open) details.open = true;
}

async function refresh() {
  clearTimeout(timer);
  if (paused || document.visibilityState === "hidden") return;
  let wait = EVERY_MS;
  try {
    const place = new URL(location.href);
    place.searchParams.set("part", "live");
    const answer = await fetch(place, { cache: "no-store" });
    if (!answer.ok) {
      wait = Math.max(EVERY_MS, 1000 * Number(answer.headers.get("Retry-After") ?? 0));
      throw new Error(String(answer.status));
    }
    const text = await answer.text();
    failures = 0;
    if (text !== last) {
      const parts = JSON.parse(text);
      draw(parts.rows);
      if (last !== null) {
        replace($("#chart"), parts.chart);
        replace($("#me"), parts.me);
      }
      last = text;
    }
    say(fill(gettext("Live, as of %(time)s"), { time: clockTime(new Date()) }));
  } catch {
    failures += 1;
    wait = Math.max(wait, Math.min(60000, EVERY_MS * 2 ** failures));
    say(gettext("Not up to date: the server does not answer."));
  }
  timer = setTimeout(refresh, wait);
}

function say(text) {
  if ($("#live").textContent !== text) $("#live").textContent = text;
}

function setPaused(on) {
  paused = on;
  store.set(PAUSED_KEY, on);
  toggle.setAttribute("aria-pressed", String(on));
  if (on) {
    clearTimeout(timer);
    say(gettext("Updates are paused."));
  } else refresh();
}

if (remember()) {
  forget.hidden = !player;
  forget.addEventListener("click", forgetMe);
  toggle.hidden = false;
  toggle.addEventListener("click", () => setPaused(!paused));
  document.addEventListener("visibilitychange", refresh);
  setPaused(paused);
}
