// The code panel: editor, language choice, start over, and whether Tab indents.

import { createEditor } from "../vendor/editor.js";
import { $, ask, el, store } from "./dom.js";
import { gettext } from "./i18n.js";

const NAMES = { python: "Python", javascript: "JavaScript", typescript: "TypeScript", c: "C",
  cpp: "C++", java: "Java", rust: "Rust", go: "Go", sql: "SQL" };
const TAB_KEY = "neurogame:tab-indents";
const LANGUAGE_KEY = "neurogame:language";

export class CodePanel {
  /** `onChange({ language, code })` for every change, `onEdit` for the person's own ones. */
  constructor({ nonce, onChange, onEdit, onRun, onCheck }) {
    this.onChange = onChange;
    this.select = $("#language");
    this.tabs = $("#tab-indents");
    this.tabs.checked = store.get(TAB_KEY, true);
    this.editor = createEditor({
      parent: $("#editor"), nonce, label: gettext("Code editor"), describedBy: "editor-hint",
      phrases: phrases(), tabIndents: this.tabs.checked, onEdit, onRun, onCheck,
      onChange: (code) => { if (!this.loading) this.#changed(code); },
    });
    this.tabs.addEventListener("change", () => {
      store.set(TAB_KEY, this.tabs.checked);
      this.editor.setTabIndents(this.tabs.checked);
    });
    this.select.addEventListener("change", () => this.#choose(this.select.value));
    $("#reset-code").addEventListener("click", () => this.#startOver());
  }

  get language() { return this.select.value; }
  get code() { return this.editor.code; }

  /** Show a task with the code that was kept, or its starter code. */
  open(task, kept) {
    this.task = task;
    this.buffers = {};
    const offered = task.languages ?? [];
    this.select.replaceChildren(...offered.map((name) =>
      el("option", { value: name }, label(name, task.language_versions?.[name]))));
    const wanted = kept?.language ?? store.get(LANGUAGE_KEY);
    this.select.value = offered.includes(wanted) ? wanted : offered[0] ?? "";
    this.#put(kept?.code ?? this.starter);
    this.editor.setLanguage(this.language);
    this.setReadOnly(false);
  }

  /** Replace language and code, as another tab has them. */
  take({ language, code }) {
    if ((this.task?.languages ?? []).includes(language)) this.select.value = language;
    this.editor.setLanguage(this.language);
    this.#put(code);
  }

  get starter() { return this.task?.starter?.[this.language] ?? ""; }

  setReadOnly(on) {
    this.editor.setReadOnly(on);
    this.select.disabled = $("#reset-code").disabled = on;
  }

  focus() { this.editor.focus(); }

  #put(code) {
    this.loading = true;
    this.editor.setCode(code);
    this.loading = false;
    this.buffers[this.language] = code;
  }

  #changed(code) {
    this.buffers[this.language] = code;
    this.onChange({ language: this.language, code });
  }

  #choose(language) {
    store.set(LANGUAGE_KEY, language);
    this.editor.setLanguage(language);
    this.#put(this.buffers[language] ?? this.starter);
    this.#changed(this.code);
  }

  async #startOver() {
    if (this.code !== this.starter) {
      const choice = await ask({
        title: gettext("Start over?"),
        text: gettext("The editor goes back to the starter code. Undo brings your code back."),
        choices: [{ value: "", label: gettext("Keep my code") },
          { value: "yes", label: gettext("Start over"), kind: "primary" }],
      });
      if (choice !== "yes") return;
      this.#put(this.starter);
      this.#changed(this.code);
    }
    this.focus();
  }
}

/** A language with the version that programs run under: "Python 3.12.1", "C++ (GCC 12.2.0)". */
function label(language, version) {
  const name = NAMES[language] ?? language;
  if (!version) return name;
  return version.startsWith(`${name} `) ? version : `${name} (${version})`;
}

/** The editor's own words, for its search panel and for screen readers. */
function phrases() {
  return {
    "Find": gettext("Find"), "Replace": gettext("Replace"), "next": gettext("next"),
    "previous": gettext("previous"), "all": gettext("all"), "match case": gettext("match case"),
    "regexp": gettext("regexp"), "by word": gettext("by word"), "replace": gettext("replace"),
    "replace all": gettext("replace all"), "close": gettext("close"),
    "Go to line": gettext("Go to line"), "go": gettext("go"),
    "Completions": gettext("Completions"), "Control character": gettext("Control character"),
    "Folded lines": gettext("Folded lines"), "Unfolded lines": gettext("Unfolded lines"),
    "folded code": gettext("folded code"), "unfold": gettext("unfold"),
    "Fold line": gettext("Fold line"), "Unfold line": gettext("Unfold line"),
  };
}
