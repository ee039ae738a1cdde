// Requests to the API with the session cookie and the CSRF token; every failure is an ApiError.

import { duration, fill, gettext } from "./i18n.js";

/**
 * A failed request. `status` is 0 when no answer came; `code` is the API's stable code;
 * `wait` is Retry-After in seconds or null; `body` has whatever else the problem carried.
 */
export class ApiError extends Error {
  constructor({ status, code, detail, wait = null, body = {} }) {
    super(detail);
    Object.assign(this, { name: "ApiError", status, code, detail, wait, body });
  }

  get errors() { return this.body.errors ?? {}; }
  /** Whether the same request may well succeed a little later. */
  get passing() { return this.status === 0 || this.status === 429 || this.status >= 500; }
  /** Whether the interview is over for the server. */
  get over() {
    return this.status === 409 &&
      (this.body.session_state === "finished" || this.body.state === "finished");
  }
}

let formToken = "";
export function useToken(token) { formToken = token; }

function csrfToken() {
  const match = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/);
  return match ? decodeURIComponent(match[1]) : formToken;
}

const networkListeners = new Set();
let reachable = true;
/** `listener(reachable)` is called when the server starts or stops to answer. */
export function onNetwork(listener) { networkListeners.add(listener); }
function setReachable(now) {
  if (now === reachable) return;
  reachable = now;
  for (const listener of networkListeners) listener(now);
}
let signedOut = () => {};
/** `listener()` is called when the server no longer knows who is asking. */
export function onSignedOut(listener) { signedOut = listener; }
window.addEventListener("offline", () => setReachable(false));
window.addEventListener("online", () => ping());

/** Ask whether the server answers; true when it does. */
export async function ping() {
  try {
    await fetch("/health", { cache: "no-store", credentials: "omit" });
    setReachable(true);
    return true;
  } catch {
    setReachable(false);
    return false;
  }
}

export const isReachable = () => reachable;

/** Send a request; answers `{ status, body }` or throws an ApiError. */
export async function request(method, path, data, { keepalive = false, signal } = {}) {
  const options = {
    method, keepalive, signal, credentials: "same-origin", cache: "no-store",
    headers: { Accept: "application/json" },
  };
  if (method !== "GET") options.headers["X-CSRFToken"] = csrfToken();
  if (data !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(data);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    setReachable(false);
    throw new ApiError({ status: 0, code: "offline",
      detail: gettext("The server cannot be reached. What you wrote is kept in this browser.") });
  }
  setReachable(true);
  const body = await response.json().catch(() => null);
  if (response.ok) return { status: response.status, body };
  throw problem(response, body);
}

function problem(response, body) {
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const wait = Number.isFinite(seconds) ? seconds : null;
  let detail = body?.detail || gettext("The server answered with an error. Try again.");
  if (response.status === 429) {
    detail = fill(gettext("That was too fast. Try again in %(time)s."), { time: duration(wait ?? 5) });
  } else if (response.status === 401) {
    signedOut();
    detail = gettext("You are signed out. Sign in again: what you wrote is kept.");
  } else if (response.status >= 500) {
    detail = gettext("Something went wrong on our side. Try again in a moment.");
  }
  const lines = Object.values(body?.errors ?? {}).flat();
  if (response.status === 400 && lines.length) detail = lines.join(" ");
  return new ApiError({ status: response.status, code: body?.code ?? "error", detail, wait,
    body: body ?? {} });
}

export const get = (path) => request("GET", path);
export const post = (path, data, options) => request("POST", path, data, options);
export const put = (path, data, options) => request("PUT", path, data, options);

/** Count `seconds` down on a button, then give it back as it was. */
export function holdButton(button, seconds) {
  const label = button.dataset.label ?? button.textContent;
  button.dataset.label = label;
  button.disabled = true;
  const until = Date.now() + seconds * 1000;
  clearInterval(Number(button.dataset.timer));
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left > 0) {
      button.textContent = `${label} (${left})`;
      return;
    }
    clearInterval(timer);
    button.textContent = label;
    button.disabled = false;
    delete button.dataset.label;
  };
  const timer = setInterval(tick, 500);
  button.dataset.timer = timer;
  tick();
}
