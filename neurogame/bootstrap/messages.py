"""The texts to translate, found in the sources without gettext's programs.

xgettext misses functions imported under another name, and Django's `makemessages` takes what it
does not find in our files out of the catalogues: the texts of packages without Russian stand
there too. So both are read here, and the catalogues are updated from what is found.

python -m neurogame.bootstrap.messages
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polib

from neurogame.bootstrap.environment import ROOT, say

LOCALES = ROOT / "neurogame" / "locale"
LANGUAGES = ("en", "ru")
DOMAINS = ("django", "djangojs")
SOURCE_LANGUAGE = "en"
ROOMS = ("neurogame", "interviews", "telemetry", "tasks", "leaderboard")
# Packages whose pages and answers people see. Some bring no Russian, some not all of it.
PACKAGES = (
    "django",
    "django.contrib.admin",
    "django.contrib.auth",
    "django_tasks_db",
    "import_export",
    "rest_framework",
    "rest_framework_simplejwt",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
)
# Whose catalogues are looked up beside ours.
CATALOGUES = ("django.conf", "django.contrib.contenttypes", *PACKAGES)

PLURAL_FORMS = {
    "en": "nplurals=2; plural=(n != 1);",
    # As in Django's own catalogues: others are looked up beside ours, not merged with them.
    "ru": (
        "nplurals=4; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 ||"
        " n%100>14) ? 1 : n%10==0 || (n%10>=5 && n%10<=9) || (n%100>=11 && n%100<=14)? 2 : 3);"
    ),
}

# What the arguments of each function are, in their order.
_FUNCTIONS = {
    "gettext": ("msgid",),
    "gettext_lazy": ("msgid",),
    "gettext_noop": ("msgid",),
    "ngettext": ("msgid", "plural"),
    "ngettext_lazy": ("msgid", "plural"),
    "pgettext": ("context", "msgid"),
    "pgettext_lazy": ("context", "msgid"),
    "npgettext": ("context", "msgid", "plural"),
    "npgettext_lazy": ("context", "msgid", "plural"),
}


class MessageError(Exception):
    """A text that no catalogue can hold; the message says where it stands."""


@dataclass(frozen=True, slots=True)
class Text:
    """One call of a gettext function with constant arguments."""

    msgid: str
    plural: str = ""
    context: str = ""


@dataclass(slots=True)
class Message:
    """One entry of a catalogue: every call with the same context and text."""

    text: Text
    files: set[str] = field(default_factory=set)


def _text(function: str, arguments: Iterable[object]) -> Text | None:
    """The text of a call; None when an argument is no constant."""
    roles = _FUNCTIONS[function]
    values = dict(zip(roles, arguments, strict=False))
    if len(values) < len(roles) or not all(isinstance(value, str) for value in values.values()):
        return None
    return Text(**values) if values["msgid"] else None  # type: ignore[arg-type]


# --- Python ---------------------------------------------------------------------------------


def python_texts(source: str) -> Iterator[Text]:
    """Texts of a Python module, whatever name it imports the functions under."""
    tree = ast.parse(source)
    names = {name: name for name in _FUNCTIONS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in _FUNCTIONS:
                    names[alias.asname or alias.name] = alias.name
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = (
            called.id
            if isinstance(called, ast.Name)
            else called.attr
            if isinstance(called, ast.Attribute)
            else ""
        )
        if name in names and node.args:
            values = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            if text := _text(names[name], values):
                yield text


# --- Templates ------------------------------------------------------------------------------

_CALL = re.compile(r"(?<!\w)(_|n?p?gettext)\(")


def template_texts(source: str) -> Iterator[Text]:
    """Texts of a Django template: its tags, and `_("...")` in its expressions."""
    from django.utils.translation.template import templatize

    calls = templatize(source)
    for match in _CALL.finditer(calls):
        arguments = _constants(calls[match.end() :])
        name = "gettext" if match[1] == "_" else match[1]
        if text := _text(name, arguments):
            yield text


_PYTHON_STRING = re.compile(r"""\s*u?("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')\s*([,)])""", re.DOTALL)


def _constants(calls: str) -> list[str]:
    found = []
    while match := _PYTHON_STRING.match(calls):
        found.append(ast.literal_eval(match[1]))
        calls = calls[match.end() :]
        if match[2] == ")":
            break
    return found


# --- JavaScript -----------------------------------------------------------------------------

_JS_TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<template>`(?:\\.|[^`\\])*`)
    |(?P<regex>(?<=[(,=:\[!&|?{};])\s*/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n*])+/[a-z]*)
    |(?P<name>[A-Za-z_$][\w$]*)
    |(?P<sign>\S)
    """,
    re.DOTALL | re.VERBOSE,
)
_JS_ESCAPE = re.compile(r"\\(u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\n|.)", re.DOTALL)
_JS_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


def _unescaped(match: re.Match[str]) -> str:
    sign = match[1]
    if sign[0] in "ux" and len(sign) > 1:
        return chr(int(sign[1:].strip("{}"), 16))
    return _JS_SHORT.get(sign, sign)


def script_texts(source: str) -> Iterator[Text]:
    """Texts of a JavaScript module; strings that a call joins with `+` are one text."""
    tokens = [
        (str(match.lastgroup), match[0])
        for match in _JS_TOKEN.finditer(source)
        if match.lastgroup != "comment"
    ]
    for at, (kind, value) in enumerate(tokens):
        if kind == "template":
            for inner in re.findall(r"\$\{(.*?)\}", value, re.DOTALL):
                yield from script_texts(inner)
        if kind != "name" or value not in _FUNCTIONS or tokens[at + 1 : at + 2] != [("sign", "(")]:
            continue
        arguments: list[object] = []
        parts: list[str] = []
        for kind, value in tokens[at + 2 :]:
            if kind == "string":
                parts.append(_JS_ESCAPE.sub(_unescaped, value[1:-1]))
            elif kind == "sign" and value in ",)":
                arguments.append("".join(parts))
                parts = []
                if value == ")":
                    break
            elif (kind, value) != ("sign", "+"):
                break
        if text := _text(tokens[at][1], arguments):
            yield text


# --- All sources ----------------------------------------------------------------------------


def sources(domain: str) -> Iterator[tuple[str, Path]]:
    """Every file with texts of a domain, with the name that the catalogue gives it."""
    if domain == "djangojs":
        for path in sorted(ROOT.glob("*/static/**/*.js")):
            if "vendor" not in path.parts:
                yield str(path.relative_to(ROOT)), path
        return
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            inside = path.relative_to(ROOT).parts
            if not {"migrations", "node_modules", "bank", "bootstrap"} & set(inside):
                yield "/".join(inside), path
    for folder in (ROOT, *(ROOT / room for room in ROOMS)):
        for path in sorted((folder / "templates").rglob("*.*")):
            if path.suffix in (".html", ".txt"):
                yield str(path.relative_to(ROOT)), path


def package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MessageError(f"the package {package} is not installed")
    return Path(spec.submodule_search_locations[0])


def package_texts(package: str) -> Iterator[Text]:
    """The texts of an installed package."""
    folder = package_folder(package)
    for path in sorted(folder.rglob("*.*")):
        inside = path.relative_to(folder).parts
        if "contrib" not in inside and path.suffix in (".py", ".html", ".txt"):
            yield from texts_of(path)


def texts_of(path: Path) -> Iterator[Text]:
    """The texts of one file."""
    read = {".py": python_texts, ".js": script_texts}.get(path.suffix, template_texts)
    try:
        yield from read(path.read_text(encoding="utf-8"))
    except SyntaxError as fault:
        raise MessageError(f"{path}: {fault}") from fault


def known_elsewhere(language: str) -> set[str]:
    """Texts that the packages' own catalogues have in a language."""
    known: set[str] = set()
    for package in CATALOGUES:
        path = package_folder(package) / "locale" / language / "LC_MESSAGES" / "django.mo"
        if path.exists():
            catalogue = polib.mofile(str(path))
            known.update(entry.msgid for entry in catalogue.translated_entries())
    return known


def collect(domain: str) -> dict[tuple[str, str], Message]:
    """Every message of a domain by its context and text, with the files that say it."""
    found: dict[tuple[str, str], Message] = {}

    def add(name: str, text: Text) -> None:
        key = (text.context, text.msgid)
        message = found.setdefault(key, Message(text))
        if text.plural and not message.text.plural:
            message.text = text
        elif text.plural not in ("", message.text.plural):
            raise MessageError(f"{name}: {text.msgid!r} has two plural forms")
        message.files.add(name)

    for name, path in sources(domain):
        for text in texts_of(path):
            add(name, text)
    if domain == "django":
        known = known_elsewhere("ru")
        for package in PACKAGES:
            for text in package_texts(package):
                if text.msgid not in known or (text.context, text.msgid) in found:
                    add(package, text)
    return found


# --- Catalogues -----------------------------------------------------------------------------


def catalogue_path(language: str, domain: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / f"{domain}.po"


def _filled(message: Message, old: polib.POEntry | None, language: str) -> polib.POEntry:
    text = message.text
    entry = polib.POEntry(
        msgid=text.msgid,
        msgid_plural=text.plural,
        msgctxt=text.context or None,
        occurrences=[(name, "") for name in sorted(message.files)],
    )
    forms = int(re.findall(r"nplurals=(\d)", PLURAL_FORMS[language])[0])
    if language == SOURCE_LANGUAGE:
        entry.msgstr = "" if text.plural else text.msgid
        if text.plural:
            entry.msgstr_plural = {0: text.msgid, 1: text.plural}
    elif text.plural:
        kept = old.msgstr_plural if old else {}
        entry.msgstr_plural = {form: kept.get(form, "") for form in range(forms)}
    else:
        entry.msgstr = old.msgstr if old else ""
    return entry


def differences() -> list[str]:
    """Texts that a catalogue lacks, and texts of a catalogue that nothing says any more."""
    found = []
    for domain in DOMAINS:
        said = set(collect(domain))
        for language in LANGUAGES:
            path = catalogue_path(language, domain)
            known = {
                (entry.msgctxt or "", entry.msgid)
                for entry in (polib.pofile(str(path)) if path.exists() else [])
            }
            where = f"{path.relative_to(ROOT)}:"
            found += [f"{where} {text!r} is missing" for _, text in sorted(said - known)]
            found += [f"{where} {text!r} is said nowhere" for _, text in sorted(known - said)]
    return found


def update(language: str, domain: str) -> tuple[int, int]:
    """Bring a catalogue up to date with the sources; what nothing says any more is left out.

    Returns how many texts it holds and how many of them still want a translation.
    """
    path = catalogue_path(language, domain)
    path.parent.mkdir(parents=True, exist_ok=True)
    old = {
        (entry.msgctxt or "", entry.msgid): entry
        for entry in (polib.pofile(str(path)) if path.exists() else [])
    }
    catalogue = polib.POFile(wrapwidth=98)
    catalogue.metadata = {
        "Project-Id-Version": "Neurogame",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURAL_FORMS[language],
    }
    for key, message in sorted(collect(domain).items()):
        catalogue.append(_filled(message, old.get(key), language))
    content = str(catalogue)
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.write_text(content, encoding="utf-8")
    return len(catalogue), len(catalogue.untranslated_entries())


def main() -> None:
    for domain in DOMAINS:
        for language in LANGUAGES:
            count, wanting = update(language, domain)
            say(f"{language} {domain}: {count} texts, {wanting} to translate")


if __name__ == "__main__":
    main()
