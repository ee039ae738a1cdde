// What the admin adds to its pages: copy buttons, and bars that show how far a job is. No inline
// script is needed for them.

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.setAttribute("readonly", "");
    field.style.position = "fixed";
    field.style.opacity = "0";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy], [data-copy-text]") : null;
  if (!button) return;
  event.preventDefault();
  const field = document.getElementById(button.dataset.copy ?? "");
  const text = button.dataset.copyText ?? field?.value ?? "";
  const before = button.textContent;
  if (await copy(text)) {
    button.textContent = button.dataset.done ?? before;
    setTimeout(() => { button.textContent = before; }, 2000);
  } else {
    field?.select();
  }
});

// A bar asks its address how far the job is, until it is finished.
const ASK_EVERY_MS = 1000;
const ASK_AGAIN_MS = 5000;

async function follow(place) {
  if (!place.isConnected) return;
  let wait = ASK_EVERY_MS;
  try {
    const answer = await fetch(place.dataset.progress, { headers: { Accept: "application/json" } });
    if (answer.status === 403 || answer.status === 404 || answer.redirected) return;
    const { done, total, finished, text } = await answer.json();
    const bar = place.querySelector("progress");
    bar.max = Math.max(total, 1);
    bar.value = done;
    const words = place.querySelector("[role=status]");
    if (words.textContent !== text) words.textContent = text;
    if (finished) {
      bar.hidden = true;
      place.dataset.finished = "";
      return;
    }
  } catch {
    wait = ASK_AGAIN_MS;
  }
  setTimeout(follow, wait, place);
}

function followAll() {
  document.querySelectorAll("[data-progress]:not([data-finished])").forEach(follow);
}

// A download is the browser's; the page under it follows how far it is, by a token that the form
// sends along.
document.addEventListener("submit", (event) => {
  const form = event.target instanceof Element ? event.target.closest("form[data-download]") : null;
  if (!form || event.submitter?.name !== "download") return;
  const token = crypto.getRandomValues(new Uint32Array(4)).reduce((text, n) => text + n.toString(16).padStart(8, "0"), "");
  form.elements.token.value = token;
  const state = document.querySelector("[data-download-state]");
  const place = state.firstElementChild.cloneNode(true);
  place.dataset.progress = form.dataset.download.replace("TOKEN", token);
  delete place.dataset.finished;
  const bar = place.querySelector("progress");
  bar.hidden = false;
  bar.value = 0;
  place.querySelector("[role=status]").textContent = "";
  state.replaceChildren(place); // what follows the download before this one follows a bar that is gone
  state.hidden = false;
  follow(place);
});

// The script stands in the head of the page.
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", followAll);
else followAll();
