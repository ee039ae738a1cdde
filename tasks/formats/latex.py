"""Problem statements from LaTeX to Markdown: the macros that statements use, and no more.

What is not understood is named in the result and its text kept, so that somebody can look.
Formulas become plain text in code spans, since pages here draw none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SYMBOLS = {
    "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "lt": "<",
    "gt": ">", "ne": "≠", "neq": "≠", "approx": "≈", "equiv": "≡", "times": "×", "cdot": "·",
    "div": "÷", "pm": "±", "ldots": "…", "dots": "…", "cdots": "…", "textellipsis": "…",
    "infty": "∞", "in": "∈", "notin": "∉", "subseteq": "⊆", "cup": "∪", "cap": "∩",
    "rightarrow": "→", "to": "→", "leftarrow": "←", "Rightarrow": "⇒", "sum": "Σ", "prod": "Π",
    "sqrt": "√", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "ell": "l",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε",
    "theta": "θ", "lambda": "λ", "mu": "μ", "pi": "π", "sigma": "σ", "phi": "φ", "omega": "ω",
    "oplus": "⊕", "land": "∧", "lor": "∨", "neg": "¬", "mid": "|", "bmod": "mod", "mod": "mod",
    "log": "log", "min": "min", "max": "max", "gcd": "gcd", "sin": "sin", "cos": "cos",
    "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "S": "§",
    "quad": " ", "qquad": " ", "prime": "′", "circ": "°", "degree": "°", "star": "*", "ast": "*",
    "langle": "⟨", "rangle": "⟩", "forall": "∀", "exists": "∃", "emptyset": "∅", "colon": ":",
    "dag": "†", "copyright": "©", "LaTeX": "LaTeX", "textless": "<", "textgreater": ">",
}  # fmt: skip
_WRAPPED = {
    "textbf": "**", "emph": "*", "textit": "*", "textsl": "*", "texttt": "`", "verb": "`",
    "t": "`", "underline": "", "textsc": "", "text": "", "mbox": "", "mathrm": "", "mathit": "",
    "mathbf": "", "mathtt": "", "mathcal": "", "operatorname": "", "textrm": "", "textnormal": "",
    "textsf": "", "centerline": "", "sout": "~~", "uline": "", "ensuremath": "",
}  # fmt: skip
_DROPPED = {
    "noindent", "bf", "it", "tt", "rm", "sc", "em", "tiny", "scriptsize", "footnotesize", "small",
    "normalsize", "large", "Large", "LARGE", "huge", "Huge", "left", "right", "big", "Big", "bigl",
    "bigr", "limits", "displaystyle", "centering", "medskip", "smallskip", "bigskip", "newpage",
    "clearpage", "par", "hfill", "remainingsamples", "nextsample", "protect", "maketitle",
}  # fmt: skip
_DROPPED_WITH_ARGUMENT = {"vspace": 1, "hspace": 1, "label": 1, "index": 1, "usepackage": 1}
_ENVIRONMENTS = {"center", "quote", "document", "flushleft", "flushright", "quotation"}
_SECTIONS = {"section": "##", "subsection": "###", "subsubsection": "####", "paragraph": "####"}
_KATTIS_SECTIONS = {"Input": "Input", "Output": "Output", "Interaction": "Interaction"}
_VERBATIM = re.compile(
    r"\\begin\{(verbatim|lstlisting)\}(?:\[[^\]]*\])?\n?(.*?)\\end\{\1\}", re.DOTALL
)
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*?(?:\n[ \t]*|\Z)")
_TOKEN = re.compile(
    r"\\([A-Za-z]+)(\*?)[ \t]*\n?[ \t]*|\\(.)|(\$\$?)|([{}~&])|(``|''|---|--)", re.DOTALL
)
_SPECIAL = re.compile(r"([*_<\[`])")
_DEFINITION = re.compile(r"\{?\\([A-Za-z]+)\}?[ \t]*(?=\{)")
_RULES = re.compile(r"\\(?:hline|toprule|midrule|bottomrule|cline\{[^}]*\}|cmidrule\{[^}]*\})")
MAX_DEPTH = 40
MAX_EXPANSIONS = 2000


@dataclass
class Converted:
    """A statement in Markdown; `title` from `\\problemname`; `unknown` names what was not
    understood: macros, environments, images."""

    markdown: str
    title: str = ""
    unknown: set[str] = field(default_factory=set)
    macros: dict[str, str] = field(default_factory=dict)
    expansions: int = 0


def to_markdown(source: str) -> Converted:
    """Convert the body of a LaTeX statement. Never raises: odd input gives odd text."""
    result = Converted("")
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match[2].strip("\n"))
        return f"\0{len(kept) - 1}\0"

    text = _VERBATIM.sub(keep, source.replace("\0", "").replace("\r\n", "\n"))
    if "\\begin{document}" in text:
        text = text.split("\\begin{document}", 1)[1].split("\\end{document}", 1)[0]
    text = _COMMENT.sub(r"\1", text)
    reader = _Reader(text, result)
    markdown = reader.block()
    markdown = re.sub(
        r"\0(\d+)\0", lambda match: f"\n\n```\n{kept[int(match[1])]}\n```\n\n", markdown
    )
    markdown = re.sub(r"\\\n(?=\s*(?:\n|\Z))", "\n", markdown)  # a break at a paragraph's end
    lines = [line.rstrip() for line in markdown.split("\n")]
    result.markdown = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
    return result


class _Reader:
    def __init__(self, text: str, result: Converted, *, math: bool = False, depth: int = 0) -> None:
        self.text = text
        self.at = 0
        self.result = result
        self.math = math
        self.depth = depth
        self.lists: list[str] = []

    def block(self) -> str:
        """The rest of the text, converted."""
        out: list[str] = []
        while self.at < len(self.text):
            match = _TOKEN.search(self.text, self.at)
            plain = self.text[self.at : match.start() if match else len(self.text)]
            out.append(plain if self.math else _SPECIAL.sub(r"\\\1", plain))
            if match is None:
                break
            self.at = match.end()
            name, _star, escaped, dollar, mark, dashes = match.groups()
            if name:
                out.append(self.macro(name))
            elif escaped is not None:
                out.append(self.escaped(escaped))
            elif dollar:
                out.append(self.formula(dollar))
            elif dashes:
                out.append({"``": "“", "''": "”", "---": "—", "--": "–"}[dashes])
            elif mark == "{" and self.math and plain[-1:] in ("_", "^"):
                self.at -= 1
                inner = self.inner(self.argument(), math=True)
                out.append(inner if len(inner) < 2 else f"({inner})")
            elif mark in "~&":
                out.append(" " if mark == "~" else " | ")
        return "".join(out)

    def escaped(self, character: str) -> str:
        if character in "([":
            return self.formula({"(": "\\)", "[": "\\]"}[character])
        if character == "\\":
            self.optional()
            return " " if self.math else "\\\n"
        if character in " ,;:!\n":
            return "" if character == "!" else " "
        return character if self.math or character not in "*_`<[" else f"\\{character}"

    def formula(self, end: str) -> str:
        """What stands up to `end`, as a code span."""
        stop = self.text.find(end, self.at)
        while stop > 0 and end.startswith("$") and self.text[stop - 1] == "\\":
            stop = self.text.find(end, stop + 1)
        inner = self.text[self.at : stop if stop >= 0 else len(self.text)]
        self.at = stop + len(end) if stop >= 0 else len(self.text)
        if self.math:
            return self.inner(inner, math=True)
        plain = " ".join(self.inner(inner, math=True).replace("`", "'").split())
        return f"`{plain}`" if plain else ""

    def macro(self, name: str) -> str:
        if name in self.result.macros and self.result.expansions < MAX_EXPANSIONS:
            self.result.expansions += 1
            return self.inner(self.result.macros[name], math=self.math)
        if name in _SYMBOLS:
            return _spaced(name, _SYMBOLS[name], self.math, self.text[self.at : self.at + 1])
        if name in _WRAPPED:
            return self.wrapped(name)
        if name in _DROPPED:
            return "\n\n" if name == "par" else ""
        if name in _DROPPED_WITH_ARGUMENT:
            self.arguments(_DROPPED_WITH_ARGUMENT[name])
            return ""
        if name in ("begin", "end"):
            return self.environment(name, self.argument())
        if name == "item":
            return self.item()
        if name in _SECTIONS and not self.math:
            return f"\n\n{_SECTIONS[name]} {self.inner(self.argument()).strip()}\n\n"
        if name in ("newcommand", "renewcommand", "def") and self.define():
            return ""
        if name == "problemname":
            title = self.inner(self.argument()).strip() if self.next_is("{") else ""
            self.result.title = (
                title.replace("\\", "").replace("`", "").replace("problemyamlname", "")
            )
            return ""
        if name in ("frac", "dfrac", "tfrac"):
            above, below = (self.inner(one, math=True) for one in self.arguments(2))
            return f"({above})/({below})"
        if name == "href":
            url, label = self.arguments(2)
            return f"[{self.inner(label)}]({url})"
        if name == "url":
            return f"<{self.argument()}>"
        if name == "footnote":
            return f" ({self.inner(self.argument()).strip()})"
        if name in ("includegraphics", "illustration"):
            self.result.unknown.add(f"\\{name}")
            self.optional()
            self.arguments(3 if name == "illustration" else 1)
            return ""
        self.result.unknown.add(f"\\{name}")
        return ""

    def define(self) -> bool:
        """Take a macro of the statement's own, if it has no arguments."""
        match = _DEFINITION.match(self.text, self.at)
        if match is None:
            return False
        self.at = match.end()
        self.result.macros[match[1]] = self.argument()
        return True

    def wrapped(self, name: str) -> str:
        if name == "verb":
            end = self.text.find(self.text[self.at : self.at + 1] or "|", self.at + 1)
            code = self.text[self.at + 1 : end if end > 0 else len(self.text)]
            self.at = end + 1 if end > 0 else len(self.text)
            return f"`{code}`"
        argument = self.argument()
        mark = "" if self.math else _WRAPPED[name]
        if mark == "`":
            code = self.inner(argument, math=True).replace("`", "'").strip()
            return f"`{code}`" if code else ""
        inner = self.inner(argument, math=self.math)
        return f"{mark}{inner.strip()}{mark}" if mark and inner.strip() else inner

    def environment(self, word: str, name: str) -> str:
        base = name.rstrip("*")
        if base in ("itemize", "enumerate"):
            if word == "begin":
                self.optional()
                self.lists.append("1. " if base == "enumerate" else "- ")
            elif self.lists:
                self.lists.pop()
            return "\n\n" if len(self.lists) == (1 if word == "begin" else 0) else "\n"
        if base in _KATTIS_SECTIONS:
            return f"\n\n## {_KATTIS_SECTIONS[base]}\n\n" if word == "begin" else "\n\n"
        if base in ("equation", "align", "displaymath", "eqnarray") and word == "begin":
            return "\n\n" + self.formula(f"\\end{{{name}}}") + "\n\n"
        if base == "tabular" and word == "begin":
            self.optional()
            self.argument()
            return self.table(name)
        if base not in _ENVIRONMENTS:
            self.result.unknown.add(f"\\begin{{{name}}}")
            if word == "begin":
                self.optional()
        return "\n\n"

    def table(self, name: str) -> str:
        """What stands up to the end of a table, its first row as the head."""
        stop = self.text.find(f"\\end{{{name}}}", self.at)
        inner = self.text[self.at : stop if stop >= 0 else len(self.text)]
        self.at = stop + len(f"\\end{{{name}}}") if stop >= 0 else len(self.text)
        rows = [
            [
                " ".join(self.inner(cell).replace("|", "\\|").split())
                for cell in re.split(r"(?<!\\)&", row)
            ]
            for row in _RULES.sub("", inner).split("\\\\")
            if row.strip()
        ]
        width = max(map(len, rows), default=0)
        lines = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in rows]
        lines.insert(1, "|" + " --- |" * width)
        return "\n\n" + "\n".join(lines) + "\n\n" if rows else ""

    def item(self) -> str:
        label = self.optional()
        mark = self.lists[-1] if self.lists else "- "
        indent = "   " * max(0, len(self.lists) - 1)
        blank = "" if self.next_is(" ") else " "
        return f"\n{indent}{mark}" + (f"**{self.inner(label)}**{blank}" if label else "")

    def inner(self, text: str, *, math: bool = False) -> str:
        if self.depth >= MAX_DEPTH:
            return text
        return _Reader(text, self.result, math=math, depth=self.depth + 1).block()

    def next_is(self, character: str) -> bool:
        return self.text[self.at : self.at + 1] == character

    def arguments(self, count: int) -> list[str]:
        return [self.argument() for _ in range(count)]

    def argument(self) -> str:
        """The next argument: what is in braces, or one character."""
        if not self.next_is("{"):
            self.at += 1
            return self.text[self.at - 1 : self.at]
        depth = 0
        start = self.at + 1
        for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(self.text, self.at):
            depth += {"{": 1, "}": -1}.get(match[0], 0)
            if depth == 0:
                self.at = match.end()
                return self.text[start : match.start()]
        self.at = len(self.text)
        return self.text[start:]

    def optional(self) -> str:
        """An argument in brackets, where one stands."""
        end = self.text.find("]", self.at)
        if not self.next_is("[") or end < 0:
            return ""
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return inner


def _spaced(name: str, symbol: str, math: bool, follows: str) -> str:
    """Operators stand between blanks in a formula; words need one before a letter."""
    if math and symbol in "≤≥≠≈≡×·÷∈∉⊆→←⇒∪∩⊕∧∨<>":
        return f" {symbol} "
    if not math and symbol in "*_`<":
        return f"\\{symbol}"
    return symbol + (" " if symbol.isalpha() and len(symbol) > 1 and follows.isalnum() else "")
