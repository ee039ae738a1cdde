"""Message catalogues: compiled without gettext's programs, and checked.

python -m neurogame.bootstrap.catalogues [--check]
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from neurogame.bootstrap.environment import ROOT, say

_PLACEHOLDER = re.compile(
    r"%\(\w+\)[#0\- +]*\d*(?:\.\d+)?[a-zA-Z]|%[sdfr%]|\{\w*(?::\w+)?\}|</?[a-z][^<>]*>"
)


def catalogues() -> list[Path]:
    """Every `.po` file of the product."""
    return sorted(ROOT.glob("*/locale/*/LC_MESSAGES/*.po"))


def compile_all() -> int:
    """Compile what is newer than its `.mo`. Returns how many were compiled."""
    compiled = 0
    for source in catalogues():
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        import polib

        unfinished = target.with_suffix(f".{os.getpid()}.mo.tmp")
        polib.pofile(str(source)).save_as_mofile(str(unfinished))
        unfinished.replace(target)
        compiled += 1
    return compiled


def placeholders(text: str) -> list[str]:
    """What a translation has to keep: the places of values and the tags of HTML."""
    return sorted(_PLACEHOLDER.findall(text))


def faults(path: Path) -> list[str]:
    """What is wrong with a catalogue: missing, fuzzy or wrongly filled translations."""
    import polib

    found = []
    catalogue = polib.pofile(str(path))
    plural_forms = re.search(r"nplurals\s*=\s*(\d+)", catalogue.metadata.get("Plural-Forms", ""))
    for entry in catalogue:
        where = f"{path.relative_to(ROOT)}: {entry.msgid!r}"
        if entry.obsolete:
            found.append(f"{where} is obsolete")
        elif entry.fuzzy:
            found.append(f"{where} is fuzzy")
        elif not entry.translated():
            found.append(f"{where} is not translated")
        elif entry.msgid_plural:
            forms = list(entry.msgstr_plural.values())
            if plural_forms is None or len(forms) != int(plural_forms[1]):
                found.append(f"{where} has another number of plural forms than the catalogue")
            # Only where the first form stands for exactly one may it do without the number.
            counted = forms[1:] if len(forms) == 2 else forms
            wanted = placeholders(entry.msgid_plural)
            if any(placeholders(form) != wanted for form in counted):
                found.append(f"{where} has other placeholders in its plural forms")
        elif placeholders(entry.msgstr) != placeholders(entry.msgid):
            found.append(f"{where} has other placeholders in its translation")
    return found


def main() -> int:
    if "--check" not in sys.argv[1:]:
        say(f"{compile_all()} of {len(catalogues())} catalogues compiled")
        return 0
    from neurogame.bootstrap.messages import differences

    found = [fault for path in catalogues() for fault in faults(path)] + differences()
    for fault in found:
        say(fault)
    say(f"{len(catalogues())} catalogues checked, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
