// A small safe Markdown: what messages and statements use, built as DOM, never as HTML.

import { el } from "./dom.js";

const INLINE = /(`+)([\s\S]*?[^`])\1(?!`)|\*\*([^*\n]+)\*\*|(?<![\w*])\*([^*\s][^*\n]*)\*(?!\w)/g;

/** Text with `code`, **strong** and *emphasis* as nodes. */
export function inline(text) {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > last) nodes.push(text.slice(last, match.index));
    if (match[2] !== undefined) nodes.push(el("code", {}, match[2].trim()));
    else if (match[3] !== undefined) nodes.push(el("strong", {}, match[3]));
    else nodes.push(el("em", {}, match[4]));
    last = match.index + match[0].length;
  }
  if (last < text.length) nodes.push(text.slice(last));
  return nodes;
}

/** Nodes for a whole text: fenced code, headings, lists, paragraphs. */
export function blocks(text) {
  const nodes = [];
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) nodes.push(el("p", { class: "line" }, inline(paragraph.join("\n"))));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    const fence = line.match(/^\s*(```+|~~~+)/);
    const heading = line.match(/^(#{1,6})\s+(.*)$/);
    const item = line.match(/^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/);
    if (fence) {
      flush();
      const code = [];
      for (at += 1; at < lines.length && !lines[at].trim().startsWith(fence[1]); at += 1) {
        code.push(lines[at]);
      }
      nodes.push(el("pre", {}, el("code", {}, code.join("\n"))));
    } else if (heading) {
      flush();
      nodes.push(el(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2])));
    } else if (item) {
      flush();
      const tag = item[1] ? "ol" : "ul";
      const list = nodes.at(-1)?.localName === tag && nodes.at(-1).dataset.open === String(at)
        ? nodes.pop() : el(tag);
      list.append(el("li", {}, inline(item[2])));
      list.dataset.open = String(at + 1);
      nodes.push(list);
    } else if (!line.trim()) {
      flush();
    } else {
      paragraph.push(line);
    }
  }
  flush();
  return nodes;
}
