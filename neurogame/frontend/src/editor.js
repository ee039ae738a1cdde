// The code editor of the candidate page: CodeMirror 6 behind one function.
// Languages are separate chunks, loaded when they are chosen.

import { indentWithTab, toggleTabFocusMode } from "@codemirror/commands";
import { indentUnit, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Transaction } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { basicSetup } from "codemirror";

const LANGUAGES = {
  python: () => import("@codemirror/lang-python").then((m) => m.python()),
  javascript: () => import("@codemirror/lang-javascript").then((m) => m.javascript()),
  typescript: () =>
    import("@codemirror/lang-javascript").then((m) => m.javascript({ typescript: true })),
  c: () => import("@codemirror/lang-cpp").then((m) => m.cpp()),
  cpp: () => import("@codemirror/lang-cpp").then((m) => m.cpp()),
  java: () => import("@codemirror/lang-java").then((m) => m.java()),
  rust: () => import("@codemirror/lang-rust").then((m) => m.rust()),
  go: () => import("@codemirror/lang-go").then((m) => m.go()),
  sql: () => import("@codemirror/lang-sql").then((m) => m.sql()),
};

const INDENT = { javascript: "  ", typescript: "  ", go: "\t" };

// Colours and sizes live in the site's stylesheet; only what the editor's own
// base theme would override is repeated here.
const look = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--editor-bg)", color: "var(--ink)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font-mono)", fontVariantLigatures: "none", lineHeight: "1.6", overflow: "auto" },
  ".cm-content": { padding: "0.75rem 0", caretColor: "var(--ink)" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--ink)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { backgroundColor: "var(--editor-selection)" },
  ".cm-activeLine": { backgroundColor: "var(--editor-line)" },
  ".cm-gutters": {
    backgroundColor: "var(--editor-bg)", color: "var(--editor-gutter)", border: "none",
  },
  ".cm-activeLineGutter": { backgroundColor: "var(--editor-line)", color: "var(--ink)" },
  ".cm-foldPlaceholder": {
    backgroundColor: "var(--surface-2)", color: "var(--ink-2)", border: "none",
  },
  ".cm-panels": { backgroundColor: "var(--surface-2)", color: "var(--ink)" },
  ".cm-button": { backgroundImage: "none" },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)", color: "var(--ink)", border: "1px solid var(--line-strong)",
    borderRadius: "6px",
  },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--accent-soft)", color: "var(--ink)",
  },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--editor-match)" },
});

/**
 * Mount an editor in `parent`.
 *
 * `onEdit({ origin, changes, length })` is called for the person's own changes: `origin` is
 * CodeMirror's user event ("input.type", "input.paste", "delete.cut", ...), `changes` a list of
 * `[from, to, inserted]` in positions of the document before the change.
 * `onChange(code)` is called for every change, also for those of the program.
 */
export function createEditor({
  parent, code = "", language = "", nonce = "", label, describedBy = "", phrases = {},
  tabIndents = true, onChange = () => {}, onEdit = () => {}, onRun = null, onCheck = null,
}) {
  const languageSlot = new Compartment();
  const indentSlot = new Compartment();
  const tabSlot = new Compartment();
  const darkSlot = new Compartment();
  const lockSlot = new Compartment();
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => EditorView.theme({}, { dark: scheme.matches });
  const tabKeys = (on) => (on ? keymap.of([indentWithTab]) : []);
  const command = (run) => () => { if (run) run(); return Boolean(run); };

  const attributes = { "aria-label": label, spellcheck: "false", autocorrect: "off",
    autocapitalize: "off", tabindex: "0" };
  if (describedBy) attributes["aria-describedby"] = describedBy;

  const report = EditorView.updateListener.of((update) => {
    if (!update.docChanged) return;
    onChange(update.state.doc.toString());
    for (const transaction of update.transactions) {
      const origin = transaction.annotation(Transaction.userEvent);
      if (!transaction.docChanged || !origin) continue;
      const changes = [];
      transaction.changes.iterChanges((from, to, _fromB, _toB, inserted) =>
        changes.push([from, to, inserted.toString()]));
      onEdit({ origin, changes, length: update.state.doc.length });
    }
  });

  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: code,
      extensions: [
        keymap.of([
          { key: "Mod-Enter", run: command(onRun), preventDefault: true },
          { key: "Shift-Mod-Enter", run: command(onCheck), preventDefault: true },
          { key: "Ctrl-m", mac: "Shift-Alt-m", run: toggleTabFocusMode },
        ]),
        basicSetup,
        syntaxHighlighting(classHighlighter),
        tabSlot.of(tabKeys(tabIndents)),
        languageSlot.of([]),
        indentSlot.of(indentUnit.of("    ")),
        lockSlot.of([]),
        darkSlot.of(dark()),
        look,
        EditorState.phrases.of(phrases),
        EditorView.cspNonce.of(nonce),
        EditorView.contentAttributes.of(attributes),
        report,
      ],
    }),
  });

  scheme.addEventListener("change", () => view.dispatch({ effects: darkSlot.reconfigure(dark()) }));

  let wanted = "";
  async function setLanguage(name) {
    wanted = name;
    const support = LANGUAGES[name] ? await LANGUAGES[name]() : [];
    if (wanted !== name) return;
    view.dispatch({ effects: [
      languageSlot.reconfigure(support),
      indentSlot.reconfigure(indentUnit.of(INDENT[name] ?? "    ")),
    ] });
  }
  setLanguage(language);

  return {
    view,
    setLanguage,
    get code() { return view.state.doc.toString(); },
    /** Replace the whole text: not an edit of the person's, but undoable. */
    setCode(text) {
      if (text === view.state.doc.toString()) return;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
    },
    setTabIndents(on) { view.dispatch({ effects: tabSlot.reconfigure(tabKeys(on)) }); },
    setReadOnly(on) {
      view.dispatch({ effects: lockSlot.reconfigure(on ? EditorState.readOnly.of(true) : []) });
    },
    focus() { view.focus(); },
    destroy() { view.destroy(); },
  };
}
