from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from interviews import flow
from interviews.models import Consent, InterviewSession, Invite, Team, User
from tests.interviews.chat_tools import give_task, make_session

PASSWORD = "correct horse 9"
ROOT = Path(django_settings.BASE_DIR)


@pytest.fixture
def invite(db):
    return Invite.objects.create(
        team=Team.objects.create(name="Platform"), track="backend", level="senior"
    )


@pytest.fixture
def member(client, candidate):
    """A browser's session of the candidate."""
    client.force_login(candidate)
    return client


def text_of(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def boot_of(response) -> dict:
    found = re.search(r'<script id="boot"[^>]*>(.*?)</script>', response.content.decode(), re.S)
    return json.loads(found[1])


def register(client, url="/interview/", **fields):
    data = {"action": "register", "nickname": "grace", "password": PASSWORD, **fields}
    return client.post(url, data)


def begin(client, url="/interview/", **fields):
    data = {
        "action": "start",
        "track": "data",
        "level": "junior",
        "locale": "en",
        "signals": "yes",
        **fields,
    }
    return client.post(url, data)


# --- Signing in -------------------------------------------------------------------------------


def test_a_visitor_may_sign_in_or_register(client, db):
    page = text_of(client.get("/interview/"))
    assert 'name="login"' in page
    assert 'name="nickname"' in page


def test_registering_signs_in_and_comes_back_to_the_invite(client, invite):
    url = f"/interview/?invite={invite.token}"
    response = register(client, url, email="Grace@Example.org")
    assert (response.status_code, response["Location"]) == (302, url)
    user = User.objects.get(nickname="grace")
    assert user.email == "Grace@Example.org"
    assert client.session["_auth_user_id"] == str(user.pk)


@pytest.mark.parametrize(
    ("fields", "field", "error"),
    [
        ({"nickname": "a"}, "nickname", "A nickname is 3 to 32 letters"),
        ({"nickname": "ADA"}, "nickname", "This is taken already."),
        ({"nickname": "", "email": ""}, "nickname", "Give an e-mail address or a nickname."),
        ({"email": "no address"}, "email", "Enter a valid email address."),
        ({"password": "12345678"}, "password", "This password is too common."),
    ],
)
def test_a_registration_says_at_the_field_what_is_wrong(client, candidate, fields, field, error):
    page = text_of(register(client, **fields))
    shown = re.search(rf'id="register-{field}_error">(.*?)</div>', page)
    assert error in shown[1]
    assert re.search(
        rf'<input[^>]*id="register-{field}"[^>]*aria-invalid="true"', page
    ) or re.search(rf'<input[^>]*aria-invalid="true"[^>]*id="register-{field}"', page)
    assert User.objects.count() == 1


def test_signing_in_by_nickname_goes_to_next(client, candidate):
    data = {"action": "sign-in", "login": "ADA", "password": "correct horse", "next": "/play/"}
    response = client.post("/accounts/login/", data)
    assert (response.status_code, response["Location"]) == (302, "/play/")


def test_signing_in_never_leads_to_another_site(client, candidate):
    data = {"action": "sign-in", "login": "ada", "password": "correct horse"}
    response = client.post("/accounts/login/?next=https://evil.example/", data)
    assert response["Location"] == "/interview/"


def test_an_unknown_login_and_a_wrong_password_look_the_same(client, candidate):
    def answer(login):
        response = client.post(
            "/interview/", {"action": "sign-in", "login": login, "password": "wrong"}
        )
        return re.search(r'role="alert">(.*?)</div>', text_of(response))[1]

    assert answer("ada") == answer("nobody")


def test_too_many_tries_are_told_when_to_come_back(client, candidate, settings):
    settings.THROTTLES = {**settings.THROTTLES, "login_account": (2, 300)}
    data = {"action": "sign-in", "login": "ada", "password": "wrong"}
    codes = [client.post("/interview/", data).status_code for _ in range(3)]
    last = client.post("/interview/", data)
    assert codes == [200, 200, 429]
    assert 0 < int(last["Retry-After"]) <= 300
    assert "Too many tries. Try again in 5 minutes." in text_of(last)


def test_a_password_may_be_reset_by_mail(client, make_user, mailoutbox):
    make_user("grace", email="grace@example.org")
    response = client.post("/accounts/password_reset/", {"email": "grace@example.org"})
    assert response["Location"] == "/accounts/password_reset/done/"
    link = re.search(r"https?://[^/]+(/accounts/reset/\S+)", mailoutbox[0].body)[1]
    form = client.get(link, follow=True)
    assert "Choose a new password" in text_of(form)
    done = client.post(
        form.request["PATH_INFO"], {"new_password1": PASSWORD, "new_password2": PASSWORD}
    )
    assert done["Location"] == "/accounts/reset/done/"
    assert client.login(username="grace", password=PASSWORD)


# --- Invites ----------------------------------------------------------------------------------


def test_an_invite_shows_what_it_fixes(client, invite):
    page = text_of(client.get(f"/interview/?invite={invite.token}"))
    for word in ("Platform", "Backend", "Senior"):
        assert f"<dd>{word}</dd>" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"used_at": timezone.now()}, "has been used already"),
        ({"revoked_at": timezone.now()}, "was withdrawn"),
        ({"expires_at": timezone.now() - timedelta(minutes=1)}, "has expired"),
    ],
)
def test_an_invite_that_is_not_open_says_why(member, invite, fields, words):
    Invite.objects.filter(pk=invite.pk).update(**fields)
    page = text_of(member.get(f"/interview/?invite={invite.token}"))
    assert words in page
    assert "<dd>Platform</dd>" not in page


@pytest.mark.parametrize("token", ["nonsense", "\x00", "x" * 500])
def test_an_unknown_invite_is_told_and_the_page_stays_usable(client, db, token):
    response = client.get("/interview/", {"invite": token})
    assert response.status_code == 200
    assert "This invite link is not known" in text_of(response)


def test_an_invite_starts_its_own_interview(member, invite, candidate):
    url = f"/interview/?invite={invite.token}"
    assert 'name="track"' not in text_of(member.get(url))
    begin(member, url)
    session = InterviewSession.objects.get(candidate=candidate)
    assert (session.track, session.level, session.team.name) == ("backend", "senior", "Platform")
    again = member.get(url)
    assert boot_of(again)["session_id"] == str(session.pk)


# --- Starting ---------------------------------------------------------------------------------


def test_the_start_page_says_what_is_recorded(member):
    page = text_of(member.get("/interview/"))
    for words in (
        "Copy, cut and paste", "Copying the task text", "Leaving and coming back",
        "Developer tools", "Typing rhythm", "Edits", "Pauses and lost connections",
    ):  # fmt: skip
        assert f"<dt>{words}</dt>" in page


@pytest.mark.parametrize(("answer", "signals"), [("yes", True), ("no", False)])
def test_starting_keeps_the_consent(member, candidate, answer, signals):
    response = begin(member, signals=answer)
    assert (response.status_code, response["Location"]) == (302, "/interview/")
    session = InterviewSession.objects.get(candidate=candidate)
    consent = Consent.objects.get(session=session)
    assert (session.track, session.level, session.locale) == ("data", "junior", "en")
    assert (consent.signals, consent.version, consent.taken_by) == (
        signals,
        Consent.CURRENT,
        "candidate",
    )
    assert boot_of(member.get("/interview/"))["signals"] is signals


def test_nothing_starts_without_an_answer_about_signals(member):
    page = text_of(begin(member, signals=""))
    assert "This field is required." in re.search(r'id="start-signals_error">(.*?)</div>', page)[1]
    assert not InterviewSession.objects.exists()


def test_without_open_sessions_an_invite_is_needed(member, settings):
    settings.OPEN_SESSIONS = False
    assert 'name="signals"' not in text_of(member.get("/interview/"))
    begin(member)
    assert not InterviewSession.objects.exists()


def test_a_running_interview_is_opened_again(member, candidate):
    session = make_session(candidate)
    response = member.get("/interview/")
    assert boot_of(response)["session_id"] == str(session.pk)
    assert begin(member).status_code == 200
    assert InterviewSession.objects.count() == 1


def test_a_second_invite_waits_for_the_running_interview(member, candidate, invite):
    session = make_session(candidate)
    response = member.get(f"/interview/?invite={invite.token}")
    assert boot_of(response)["session_id"] == str(session.pk)


# --- Afterwards -------------------------------------------------------------------------------


def finished_session(candidate, tasks=1):
    session = make_session(candidate, theta=1.2345)
    for number in range(tasks):
        assignment = give_task(session)
        assignment.state, assignment.close_reason = "closed", "accepted"
        assignment.attempts_used, assignment.best_passed = number + 1, 3
        assignment.save()
    flow.finish(session)
    return session


def test_the_closing_page_lists_the_tasks_and_no_ability(member, candidate):
    session = finished_session(candidate)
    page = text_of(member.get(f"/interview/?session={session.pk}"))
    assert "Thank you, the interview is finished" in page
    assert "Pair sums" in page
    assert "3 / 3" in page
    assert "accepted" in page
    assert "1.23" not in page


def test_the_closing_page_belongs_to_its_candidate(client, stranger, candidate):
    session = finished_session(candidate)
    client.force_login(stranger)
    for key in (session.pk, "nonsense"):
        response = client.get(f"/interview/?session={key}")
        assert (response.status_code, response["Location"]) == (302, "/interview/")


def test_an_interview_that_the_clock_ended_says_so(member, candidate):
    now = timezone.now()
    session = make_session(
        candidate, started_at=now - timedelta(hours=2), ends_at=now - timedelta(hours=1)
    )
    page = text_of(member.get(f"/interview/?session={session.pk}"))
    assert "The time was over" in page


@pytest.mark.parametrize("count", [1, 3])
def test_the_closing_page_needs_the_same_queries_for_more_tasks(
    member, candidate, count, django_assert_num_queries
):
    session = finished_session(candidate, tasks=count)
    with django_assert_num_queries(6):
        member.get(f"/interview/?session={session.pk}")


@pytest.mark.parametrize("count", [1, 3])
def test_the_start_page_needs_the_same_queries_for_more_interviews(
    member, candidate, count, django_assert_num_queries
):
    for _ in range(count):
        finished_session(candidate)
    with django_assert_num_queries(5):
        member.get("/interview/")


# --- Every page -------------------------------------------------------------------------------

PUBLIC = ["/", "/interview/", "/play/", "/leaderboard/", "/accounts/login/",
          "/accounts/password_reset/", "/accounts/password_reset/done/", "/accounts/reset/done/",
          "/accounts/reset/x/y/"]  # fmt: skip


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_page_obeys_its_content_security_policy(client, db, path, language):
    response = client.get(path, headers={"accept-language": language})
    html = response.content.decode()
    assert response.status_code == 200
    assert f'<html lang="{language}">' in html
    assert "'unsafe" not in response["Content-Security-Policy"]
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", html)
    assert not re.search(r"<style|<script(?![^>]*(\ssrc=|application/json))", html)


def test_the_workspace_obeys_it_too(member, candidate):
    make_session(candidate)
    response = member.get("/interview/")
    html = response.content.decode()
    nonce = re.search(r'name="csp-nonce" content="([^"]+)"', html)[1]
    assert f"'nonce-{nonce}'" in response["Content-Security-Policy"]
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", html)
    assert response["Cache-Control"].startswith("max-age=0")


def test_the_start_page_shows_the_demo_logins_in_development_only(client, db, settings):
    settings.DEBUG = True
    assert "Demo accounts" in text_of(client.get("/"))
    settings.DEBUG = False
    assert "Demo accounts" not in text_of(client.get("/"))
    assert "neurogame</code>" not in text_of(client.get("/interview/"))


def test_the_game_client_is_handed_out_as_it_is(client, db):
    response = client.get("/play/client.py")
    body = b"".join(response.streaming_content)
    assert body == (ROOT / "telemetry" / "client.py").read_bytes()
    assert "http://testserver/v1/events" in text_of(client.get("/play/"))


def test_a_page_that_is_not_there_is_a_page(client, db):
    response = client.get("/nothing/here")
    assert response.status_code == 404
    assert "Page not found" in text_of(response)


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_error_pages_need_nothing(status):
    from django.template.loader import render_to_string

    assert "<h1>" in render_to_string(f"{status}.html")


def test_the_language_can_be_switched(client, db):
    response = client.post("/i18n/setlang/", {"language": "ru", "next": "/play/"})
    assert response["Location"] == "/play/"
    assert '<html lang="ru">' in client.get("/play/").content.decode()


def test_the_fields_of_djangos_own_sign_in_page_work(client, candidate):
    answer = client.post("/accounts/login/", {"username": "ada", "password": "correct horse"})
    assert (answer.status_code, answer["Location"]) == (302, "/interview/")
    assert client.get("/interview/").wsgi_request.user == candidate
