"""LaTeX statements as Markdown."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.latex import to_markdown
from tasks.markdown import to_html


@pytest.mark.parametrize(
    ("latex", "markdown"),
    [
        ("Plain text.", "Plain text."),
        ("A % comment\nB 50\\% off", "A B 50% off"),
        ("\\textbf{bold} \\emph{it} \\texttt{x_1}", "**bold** *it* `x_1`"),
        ("``quoted''---or 1--2 \\ldots", "“quoted”—or 1–2 …"),
        ("snake_case, 2 * 3, a < b, [x]", "snake\\_case, 2 \\* 3, a \\< b, \\[x]"),
        ("$1 \\leq n \\le 10^5$", "`1 ≤ n ≤ 10^5`"),
        ("$a_{i+1} + x^{2}$", "`a_(i+1) + x^2`"),
        ("\\(n\\) and \\[ \\frac{a}{b} \\]", "`n` and `(a)/(b)`"),
        ("$$\\sum_{i=1}^{n} a_i$$", "`Σ_(i=1)^n a_i`"),
        ("$\\max(a, b) \\bmod 7$", "`max(a, b) mod 7`"),
        ("costs \\$5 for $x$", "costs $5 for `x`"),
        ("$5 \\$ and$ rest", "`5 $ and` rest"),
        ("$\\{1, 2\\}$ \\#1 \\& 2", "`{1, 2}` #1 & 2"),
        ("\\section*{Input}\nx", "## Input\n\nx"),
        ("\\begin{Output}\ny\n\\end{Output}", "## Output\n\ny"),
        ("\\begin{itemize}\n\\item a\n\\item[b] c\n\\end{itemize}", "- a\n\n- **b** c"),
        ("\\begin{enumerate}\n\\item a\n\\end{enumerate}\nafter", "1. a\n\nafter"),
        ("\\begin{verbatim}\n$x % {\n\\end{verbatim}", "```\n$x % {\n```"),
        ("\\verb|a_b| end", "`a_b` end"),
        ("\\href{http://x.org}{here} \\url{http://y.org}", "[here](http://x.org) <http://y.org>"),
        ("one\\\\two~three\\\\\n\nfour", "one\\\ntwo three\n\nfour"),
        ("\\newcommand{\\maxn}{10^5}\\def\\x{y}$n \\le \\maxn$ \\x", "`n ≤ 10^5` y"),
        (
            "\\begin{tabular}{|l|r|}\n\\hline\nName & $n$ \\\\ \\hline\n\\textbf{a} & 1 \\& 2 \\\\\n"
            "\\end{tabular}after",
            "| Name | `n` |\n| --- | --- |\n| **a** | 1 & 2 |\n\nafter",
        ),
        ("a\\footnote{b} \\noindent c", "a (b) c"),
        ("\\documentclass{x}\\begin{document}in\\end{document}out", "in"),
    ],
)
def test_a_macro(latex, markdown):
    result = to_markdown(latex)

    assert result.markdown == f"{markdown}\n"
    assert result.unknown == set()


def test_what_is_not_understood_is_named_and_its_text_kept():
    result = to_markdown(
        "\\problemname{A \\emph{name}} \\weird{kept} \\includegraphics[width=1cm]{cat.png} "
        "\\begin{tikzpicture} 1 & 2 \\end{tikzpicture} \\newcommand{\\two}[1]{#1}"
    )

    assert result.title == "A *name*"
    assert result.unknown == {
        "\\weird", "\\includegraphics", "\\begin{tikzpicture}", "\\newcommand", "\\two",
    }  # fmt: skip
    assert result.markdown.split()[:4] == ["kept", "1", "|", "2"]


def test_macros_that_make_each_other_longer_are_bounded():
    letters = "abcdefghijklmnopqrstuvwxyz"
    chain = "".join(f"\\def\\x{one}{{\\x{other} \\x{other} }}" for one, other in pairwise(letters))
    started = time.process_time()

    to_markdown(f"{chain}\\def\\y{{\\y \\y}}\\xa \\y")

    assert time.process_time() - started < 3


@given(st.lists(st.sampled_from([
    "\\", "{", "}", "$", "%", "\n", "a", "_", "[", "]", "\\begin{itemize}", "\\end{itemize}", "\\item",
    "\\textbf", "\\frac", "\\verb|", "\\(", "\\)", "``", "\\problemname", "\\href", "\\begin{tabular}", "\\end{tabular}", "\\def", "\\a", "\0", "~", "&",
])).map("".join))  # fmt: skip
def test_no_text_whatever_raises(latex):
    to_html(to_markdown(latex).markdown)


@pytest.mark.parametrize(
    "piece", ["{", "\\textbf{", "$", "\\frac{", "\\begin{itemize}", "%", "\\verb|"]
)
def test_long_nonsense_takes_linear_time(piece):
    started = time.process_time()
    to_markdown(piece * 20_000)
    assert time.process_time() - started < 3
