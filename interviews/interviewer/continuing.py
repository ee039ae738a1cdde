"""Going on after what was said already: a model repeats its last words more often than not."""

from __future__ import annotations

LONGEST = 200
SHORTEST = 8


def without_overlap(said: str, more: str) -> str:
    """`more` without the words at its beginning that repeat the end of `said`.

    Only an overlap of at least `SHORTEST` characters counts: less may be chance.
    """
    bare = more.lstrip()
    for text in (more, bare):
        for size in range(min(len(said), len(text), LONGEST), SHORTEST - 1, -1):
            if said.endswith(text[:size]):
                return text[size:]
    return more
