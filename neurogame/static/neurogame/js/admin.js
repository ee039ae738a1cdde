// What the admin adds to its pages: copy buttons. No inline script is needed for them.

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
