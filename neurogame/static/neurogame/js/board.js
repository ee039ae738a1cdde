// Keeps the leaderboard fresh: rows are moved and changed in place, so that focus, selection and
// scroll stay where they are. Nothing is asked while the page is hidden or paused.

import { $, el, store } from "./dom.js";
import { clockTime, fill, gettext, number } from "./i18n.js";

const EVERY_MS = 5000;
const PAUSED_KEY = "neurogame:board-paused";
const { api, player } = JSON.parse($("#boot").textContent);
const body = $("#rows");
const toggle = $("#live-toggle");

let paused = store.get(PAUSED_KEY, false);
let failures = 0;
let timer = null;
let last = null;

function scale(rows) {
  const low = Math.min(...rows.map((row) => row.score - row.score_se));
  const high = Math.max(...rows.map((row) => row.score + row.score_se));
  const factor = 96 / (high - low || 1);
  return (value) => (2 + (value - low) * factor).toFixed(1);
}

function cells(row, at) {
  const me = player && row.user_id === player;
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of [["viewBox", "0 0 100 12"], ["aria-hidden", "true"],
    ["focusable", "false"], ["preserveAspectRatio", "none"]]) bar.setAttribute(name, value);
  const path = (d, kind) => {
    const node = document.createElementNS(bar.namespaceURI, "path");
    node.setAttribute("d", d);
    if (kind) node.setAttribute("class", kind);
    bar.append(node);
  };
  path(`M${at(row.score - row.score_se)} 6H${at(row.score + row.score_se)}`);
  path(`M${at(row.score)} 6h0`, "dot");
  return [
    el("td", { class: "number" }, number(row.rank)),
    el("th", { scope: "row" }, row.user_id,
      me ? [" ", el("span", { class: "badge badge--good" }, gettext("You"))] : [],
      row.provisional ? [" ", el("span", { class: "badge" }, gettext("provisional"))] : []),
    el("td", { class: "number" }, `${number(row.score, 1)} `,
      el("span", { class: "muted" }, `± ${number(row.score_se, 1)}`)),
    el("td", { class: "board__bar" }, bar),
    el("td", { class: "number" }, `${number(row.accuracy * 100, 1)} %`),
    el("td", { class: "number" }, row.avg_rt_ms === null ? "–" : number(row.avg_rt_ms)),
    el("td", { class: "number" }, number(row.tasks)),
  ];
}

/** Masked players may look alike: the n-th of a name is told from the others by its number. */
function keys() {
  const seen = new Map();
  return (name) => {
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return `${seen.get(name)} ${name}`;
  };
}

/** Make the table show `rows`, touching only what changed. */
function draw(rows) {
  $("#empty").hidden = rows.length > 0;
  $("#table").hidden = rows.length === 0;
  const at = rows.length ? scale(rows) : null;
  const oldKey = keys();
  const before = new Map([...body.rows].map((node) => [oldKey(node.dataset.user), node]));
  const newKey = keys();
  rows.forEach((row, index) => {
    const key = newKey(row.user_id);
    let node = before.get(key);
    if (node) before.delete(key);
    else {
      node = el("tr", { "data-user": row.user_id, class: "is-new" });
      if (player && row.user_id === player) node.setAttribute("aria-current", "true");
    }
    node.classList.toggle("is-me", Boolean(player) && row.user_id === player);
    const fresh = cells(row, at);
    fresh.forEach((cell, column) => {
      const old = node.cells[column];
      if (!old) node.append(cell);
      else if (!old.isEqualNode(cell)) old.replaceWith(cell);
    });
    if (body.rows[index] !== node) body.insertBefore(node, body.rows[index] ?? null);
  });
  for (const node of before.values()) node.remove();
}

async function drawChart() {
  const place = new URL(location.href);
  place.searchParams.set("part", "chart");
  const answer = await fetch(place, { cache: "no-store" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const chart = $("#chart");
  const open = $("details", chart)?.open;
  const inside = chart.contains(document.activeElement);
  if (inside) return;
  chart.replaceChildren(...fresh.body.childNodes);
  const details = $("details", chart);
  if (details && open) details.open = true;
}

async function refresh() {
  clearTimeout(timer);
  if (paused || document.visibilityState === "hidden") return;
  let wait = EVERY_MS;
  try {
    const answer = await fetch(api, { cache: "no-store", credentials: "omit" });
    if (!answer.ok) {
      wait = Math.max(EVERY_MS, 1000 * Number(answer.headers.get("Retry-After") ?? 0));
      throw new Error(String(answer.status));
    }
    const text = await answer.text();
    failures = 0;
    if (text !== last) {
      draw(JSON.parse(text));
      if (last !== null) await drawChart();
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

toggle.hidden = false;
toggle.addEventListener("click", () => setPaused(!paused));
document.addEventListener("visibilitychange", refresh);
setPaused(paused);
