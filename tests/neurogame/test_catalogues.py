"""The message catalogues: complete, in step with the sources, and in use."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import chain

import polib
import pytest
from django.apps import apps
from django.core import mail
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.functional import Promise

from interviews.models import User
from neurogame.bootstrap import catalogues, messages
from neurogame.bootstrap.messages import Text
from neurogame.language import said
from neurogame.problems import CODES
from neurogame.requestlog import SERVER_FAILED

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
ROOMS = ("neurogame", "interviews", "telemetry", "tasks", "leaderboard")
# Names that stay as they are in every language.
UNTRANSLATED = {"API", "Markdown.", "jti", "CSV", "JSON", "XLSX"}


def catalogue(language: str, domain: str) -> polib.POFile:
    return polib.pofile(str(messages.catalogue_path(language, domain)))


# --- What the catalogues hold ---------------------------------------------------------------


def test_catalogues_of_every_language_and_domain_exist():
    expected = {
        messages.catalogue_path(language, domain)
        for language in messages.LANGUAGES
        for domain in messages.DOMAINS
    }
    assert set(catalogues.catalogues()) == expected


def test_catalogues_hold_exactly_what_the_sources_say():
    assert messages.differences() == []


def test_catalogues_are_complete_and_keep_placeholders():
    assert [fault for path in catalogues.catalogues() for fault in catalogues.faults(path)] == []


@pytest.mark.parametrize("domain", messages.DOMAINS)
def test_russian_texts_are_russian(domain):
    left = {
        entry.msgid
        for entry in catalogue("ru", domain)
        if entry.msgstr == entry.msgid and re.search("[a-z]{3}", entry.msgid)
    }
    assert {text for text in left if text not in UNTRANSLATED and not code(text)} == set()


def code(text: str) -> bool:
    """Whether a text is made of names of programs and fields alone."""
    return re.fullmatch(r"(?:\w+(?:_\w+)*,? ?(?:or )?)+", text) is not None and "_" in text


@pytest.mark.parametrize("domain", messages.DOMAINS)
@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_spaces_around_a_text_are_kept(language, domain):
    def ends(text: str) -> tuple[str, str]:
        return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]

    for entry in catalogue(language, domain):
        for text in [entry.msgstr] if entry.msgstr else entry.msgstr_plural.values():
            assert ends(text) == ends(entry.msgid)


# --- What is found in the sources -----------------------------------------------------------


def test_python_texts_under_any_name():
    source = """
from django.utils.translation import gettext as _now, gettext_lazy as _
from django.utils import translation
from django.utils.translation import ngettext, pgettext_lazy

a = _("one")
b = _now(
    "two "
    "parts"
)
c = ngettext("%d task", "%d tasks", n) % n
d = pgettext_lazy("task", "open")
e = translation.gettext("attribute")
f = _(name)
g = _(f"{name} is not constant")
h = other("not a text")
"""
    assert set(messages.python_texts(source)) == {
        Text("one"),
        Text("two parts"),
        Text("%d task", "%d tasks"),
        Text("open", context="task"),
        Text("attribute"),
    }


def test_template_texts_of_tags_and_expressions():
    source = """{% load i18n %}
{% translate "a &amp; b" %} {% translate 'with' context 'board' %}
{% blocktranslate count n=rows|length trimmed %}
  {{ n }} row
{% plural %}
  {{ n }} rows
{% endblocktranslate %}
{% include "x.html" with title=_("title") %} {{ value|default:_('none') }} {{ _("plain") }}
{% comment %}{% translate "not this" %}{% endcomment %}
{# {% translate "nor this" %} #}
"""
    assert set(messages.template_texts(source)) == {
        Text("a &amp; b"),
        Text("with", context="board"),
        Text("%(n)s row", "%(n)s rows"),
        Text("title"),
        Text("none"),
        Text("plain"),
    }


def test_script_texts_between_comments_and_expressions():
    source = r"""
import { gettext, ngettext } from "./i18n.js";
// gettext("not this")
/* gettext("nor this") */
const say = gettext("It\u2019s " + 'joined');
const url = "https://example.org/";  // a string, then gettext("a comment")
const parts = text.split(/["'/]/g).map((part) => gettext("after a regex"));
show(`${ngettext("%(n)s file", "%(n)s files", n)} and ${gettext('inside')}`);
const half = total / 2; const quarter = gettext("after a division") / 4;
gettext(variable);
export function gettext(text) { return window.gettext ? window.gettext(text) : text; }
"""
    assert set(messages.script_texts(source)) == {
        Text("It’s joined"),
        Text("after a regex"),
        Text("%(n)s file", "%(n)s files"),
        Text("inside"),
        Text("after a division"),
    }


# --- Updating -------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small product of one module, with packages that say nothing."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "flow.py").write_text(
        "from django.utils.translation import gettext as _, ngettext\n"
        "a = _('Task')\n"
        "b = ngettext('%d attempt', '%d attempts', 2)\n"
    )
    monkeypatch.setattr(messages, "ROOT", tmp_path)
    monkeypatch.setattr(messages, "LOCALES", tmp_path / "neurogame" / "locale")
    monkeypatch.setattr(messages, "PACKAGES", ())
    return tmp_path


def test_update_makes_catalogues_and_keeps_translations(tree):
    assert messages.update("en", "django") == (2, 0)
    assert messages.update("ru", "django") == (2, 2)
    russian = catalogue("ru", "django")
    russian.find("Task").msgstr = "Задача"
    russian.save()

    (tree / "tasks" / "flow.py").write_text(
        "from django.utils.translation import gettext as _\na = _('Task')\nc = _('Draft')\n"
    )
    assert messages.update("ru", "django") == (2, 1)
    assert {entry.msgid: entry.msgstr for entry in catalogue("ru", "django")} == {
        "Task": "Задача",
        "Draft": "",
    }


def test_differences_name_what_is_missing_and_what_is_left_over(tree):
    for domain in messages.DOMAINS:
        for language in messages.LANGUAGES:
            messages.update(language, domain)
    assert messages.differences() == []
    (tree / "tasks" / "flow.py").write_text(
        "from django.utils.translation import gettext as _\na = _('Task')\nc = _('Draft')\n"
    )
    where = "neurogame/locale/{}/LC_MESSAGES/django.po:"
    assert messages.differences() == [
        line
        for language in ("en", "ru")
        for line in (
            f"{where.format(language)} 'Draft' is missing",
            f"{where.format(language)} '%d attempt' is said nowhere",
        )
    ]


def test_one_text_with_two_plurals_is_refused(tree):
    (tree / "tasks" / "more.py").write_text(
        "from django.utils.translation import ngettext\nngettext('%d attempt', '%d tries', 2)\n"
    )
    with pytest.raises(messages.MessageError, match="two plural forms"):
        messages.collect("django")


# --- In use ---------------------------------------------------------------------------------


@pytest.fixture
def russian():
    with translation.override("ru"):
        yield


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "1 минута"), (2, "2 минуты"), (4, "4 минуты"), (5, "5 минут"), (11, "11 минут"),
        (12, "12 минут"), (14, "14 минут"), (21, "21 минута"), (22, "22 минуты"), (0, "0 минут"),
        (100, "100 минут"), (101, "101 минута"), (111, "111 минут"), (112, "112 минут"),
    ],
)  # fmt: skip
def test_russian_plural_forms(russian, count, words):
    form = translation.ngettext("%(n)s minute", "%(n)s minutes", count)
    assert form % {"n": count} == words


def test_every_error_code_has_a_russian_sentence(russian):
    assert [code for code, (_status, text) in CODES.items() if not _is_russian(text)] == []


def _is_russian(text) -> bool:
    said = str(translation.gettext(str(text)))
    return CYRILLIC.search(said) is not None or said in UNTRANSLATED


def test_names_help_and_choices_of_all_records_are_russian(russian):
    left = set()
    for app in ROOMS:
        for model in apps.get_app_config(app).get_models():
            texts = {model._meta.verbose_name, model._meta.verbose_name_plural}
            for field in model._meta.get_fields():
                if field.auto_created or field.name in ("id", "password"):
                    continue
                if getattr(field, "help_text", ""):
                    texts.add(field.help_text)
                if isinstance(field.verbose_name, Promise):  # others are internal: no name given
                    texts.add(field.verbose_name)
                texts.update(label for _value, label in field.flatchoices)
            left |= {f"{model.__name__}: {text}" for text in map(str, texts) if latin(text)}
    assert left == set()


def latin(text: str) -> bool:
    return CYRILLIC.search(text) is None and text not in UNTRANSLATED and text != ""


@pytest.mark.parametrize(
    ("language", "word"), [("ru", "Проверить решение"), ("en", "Check solution")]
)
def test_pages_speak_the_browsers_language(client, language, word):
    client.cookies.clear()
    start = client.get("/", headers={"accept-language": language}).content.decode()
    assert f'<html lang="{language}">' in start
    with translation.override(language):
        assert translation.gettext("Check solution") == word


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_error_pages_speak_russian(rf, russian, status):
    html = render_to_string(f"{status}.html", request=rf.get("/nowhere"))
    assert '<html lang="ru">' in html
    heading = re.search(r"<h1>(.*?)</h1>", html)
    assert heading is not None
    assert _is_russian(heading[1])
    assert re.findall(r"<p class=\"lead\">[^а-яё]*</p>", html) == []


@pytest.mark.django_db
def test_script_catalogue_is_served_in_russian(client):
    answer = client.get("/jsi18n/", headers={"accept-language": "ru"}).content.decode()
    served = re.search(r"const newcatalog = (\{.*?\n  \});?\n", answer, re.DOTALL)
    assert served is not None
    texts = json.loads(served[1])
    assert texts["Saving…"] == "Сохраняем…"
    assert texts["%(n)s attempt left"][:3] == [
        "Осталась %(n)s попытка", "Осталось %(n)s попытки", "Осталось %(n)s попыток",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({}, "The server failed; the request id finds it in the log."),
        ({b"accept-language": b"ru"}, "Сбой на сервере; в журнале его можно найти по request_id."),
        (
            {b"accept-language": b"en", b"cookie": b"a=b; django_language=ru"},
            "Сбой на сервере; в журнале его можно найти по request_id.",
        ),
        (
            {b"accept-language": b"\xff\xfe;q=x", b"cookie": b"=;;\xff"},
            "The server failed; the request id finds it in the log.",
        ),
    ],
)
def test_errors_below_django_are_in_the_language_asked_for(headers, sentence):
    assert said(SERVER_FAILED, headers) == sentence


@pytest.mark.django_db
class TestErrorsOfTheApiInRussian:
    def detail(self, response, status: int, code: str) -> str:
        body = response.json()
        assert (body["status"], body["code"]) == (status, code)
        sentences = [body["detail"], *chain.from_iterable(body.get("errors", {}).values())]
        for sentence in sentences:
            assert CYRILLIC.search(sentence), sentence
        return body["detail"]

    RU = {"HTTP_ACCEPT_LANGUAGE": "ru"}

    def test_no_credentials(self, anonymous_api):
        answer = anonymous_api.get("/auth/me", **self.RU)
        assert (
            self.detail(answer, 401, "not_authenticated") == "Учетные данные не были предоставлены."
        )

    def test_bad_token(self, anonymous_api):
        anonymous_api.credentials(HTTP_AUTHORIZATION="Bearer not-a-token")
        self.detail(anonymous_api.get("/auth/me", **self.RU), 401, "token_not_valid")

    def test_bad_refresh_token(self, anonymous_api):
        answer = anonymous_api.post("/auth/refresh", {"refresh": "no"}, "json", **self.RU)
        self.detail(answer, 401, "token_not_valid")

    def test_wrong_password_and_too_many_of_them(self, anonymous_api, candidate):
        wrong = {"login": "ada", "password": "wrong horse"}
        for _try in range(10):
            answer = anonymous_api.post("/auth/login", wrong, "json", **self.RU)
            self.detail(answer, 401, "invalid_credentials")
        answer = anonymous_api.post("/auth/login", wrong, "json", **self.RU)
        sentence = self.detail(answer, 429, "throttled")
        assert re.search(r"через \d+ секунд[уы]?\.$", sentence), sentence

    def test_weak_password(self, anonymous_api):
        body = {"nickname": "x" * 40, "email": "no address", "password": "123"}
        answer = anonymous_api.post("/auth/register", body, "json", **self.RU)
        self.detail(answer, 400, "invalid")

    def test_missing_fields(self, api):
        self.detail(api.post("/interview/start", {}, "json", **self.RU), 400, "invalid")

    def test_csrf(self, candidate):
        from django.test import Client

        browser = Client(enforce_csrf_checks=True)
        browser.force_login(candidate)
        answer = browser.post(
            "/interview/start",
            {},
            content_type="application/json",
            headers={"accept-language": "ru"},
        )
        self.detail(answer, 403, "csrf_failed")

    def test_key_of_the_game(self, client):
        body = {"api_key": "wrong", "events": []}
        answer = client.post(
            "/v1/events", body, content_type="application/json", headers={"accept-language": "ru"}
        )
        self.detail(answer, 401, "invalid_api_key")

    def test_unknown_address_and_method(self, client):
        russian = {"accept-language": "ru"}
        self.detail(client.get("/v1/nothing", headers=russian), 404, "not_found")
        self.detail(client.get("/v1/events", headers=russian), 405, "method_not_allowed")

    def test_envelope_of_events(self, client, settings):
        answer = client.post(
            "/v1/events",
            {"api_key": settings.NEUROGAME_API_KEY, "events": {}},
            content_type="application/json",
            headers={"accept-language": "ru"},
        )
        self.detail(answer, 400, "bad_envelope")

    def test_broken_json(self, api):
        answer = api.post("/interview/start", "{", content_type="application/json", **self.RU)
        self.detail(answer, 400, "bad_json")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "subject", "login"),
    [
        ("en", "A new password for Neurogame", "Your login is ada@example.org."),
        ("ru", "Новый пароль для Neurogame", "Ваш логин: ada@example.org."),
    ],
)
def test_mail_for_a_new_password(client, language, subject, login):
    User.objects.create_user(email="ada@example.org", password="correct horse")
    client.post(
        "/accounts/password_reset/",
        {"email": "ada@example.org"},
        headers={"accept-language": language},
    )
    (letter,) = mail.outbox
    assert letter.subject == subject
    assert login in letter.body
    assert (CYRILLIC.search(letter.body) is not None) == (language == "ru")


# --- The command ----------------------------------------------------------------------------


def test_check_passes_as_lint_runs_it():
    done = subprocess.run(
        [sys.executable, "-m", "neurogame.bootstrap.catalogues", "--check"],
        cwd=catalogues.ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (
        0,
        ["4 catalogues checked, 0 faults"],
    )
