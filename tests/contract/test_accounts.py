"""Sections 5 and 8 of the contract, over HTTP: accounts, tokens, sessions, anti-cheat."""

from __future__ import annotations

import re
import sqlite3
import statistics
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from urllib.parse import urlencode

import pytest

from tests.contract.product import problem

PASSWORD = "Corr3ct-horse-9"


def register(product, timeout=30, **fields):
    body = {"password": PASSWORD, **fields}
    return product.call("POST", "/auth/register", body, timeout=timeout)


def sign_in(product, login, password=PASSWORD):
    return product.call("POST", "/auth/login", {"login": login, "password": password})


def a_name():
    return "u" + uuid.uuid4().hex[:10]


def at_field(answer):
    return set(problem(answer, 400, "invalid", "errors")["errors"])


def test_register_and_log_in_in_any_spelling(product):
    name, email = a_name(), f"{a_name()}@Example.org"
    made = register(product, nickname=name, email=email)
    assert made.status == 201
    assert set(made.json) == {"user", "access", "refresh"}
    assert set(made.json["user"]) == {"id", "email", "nickname"}
    assert (made.json["user"]["nickname"], made.json["user"]["email"]) == (name, email)
    for login in (name.upper(), email.lower(), email.upper(), "\uff35" + name[1:]):
        answer = sign_in(product, login)
        assert (login, answer.status) == (login, 200)
        assert answer.json["user"] == made.json["user"]
    assert at_field(register(product, nickname=name.upper())) == {"nickname"}
    assert at_field(register(product, email=email.upper())) == {"email"}
    me = product.call("GET", "/auth/me", token=made.json["access"])
    assert me.json == {"user": made.json["user"], "groups": []}


def test_one_of_racing_registrations_wins(product):
    name = a_name()
    spellings = [name, name.upper()] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda nickname: register(product, nickname=nickname), spellings))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 7


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"nickname": ""},
        {"nickname": None, "email": None},
        {"nickname": "ab"},
        {"nickname": "a" * 33},
        {"nickname": "with space"},
        {"nickname": "a@b.org"},
        {"nickname": ["list"]},
        {"email": "no address"},
        {"email": "a" * 250 + "@x.org"},
        {"nickname": "good-name", "password": "short"},
        {"nickname": "good-name", "password": "1234567890"},
        {"nickname": "good-name", "password": "password"},
        {"nickname": "similar-name", "password": "similar-name1"},
        {"nickname": "good-name", "password": None},
        {"nickname": "good-name", "password": "x" * 300},
    ],
)
def test_what_cannot_be_registered(product, fields):
    wrong = at_field(register(product, **fields))
    assert wrong <= {"nickname", "email", "password"}
    assert ("password" in wrong) is ("password" in fields)


def test_wrong_password_and_unknown_user_are_told_alike(product):
    name = a_name()
    register(product, nickname=name)
    seconds: dict[str, list[float]] = {"wrong": [], "unknown": []}
    bodies = []
    for _ in range(5):
        for kind, login in (("wrong", name), ("unknown", a_name())):
            began = time.perf_counter()
            answer = sign_in(product, login, "not-the-password")
            seconds[kind].append(time.perf_counter() - began)
            body = problem(answer, 401, "invalid_credentials")
            bodies.append({**body, "request_id": ""})
    assert all(body == bodies[0] for body in bodies)
    wrong, unknown = (statistics.median(values) for values in seconds.values())
    assert 0.4 < wrong / unknown < 2.5


def test_eleventh_failure_of_an_account_is_throttled_however_it_is_written(product):
    name = a_name()
    statuses = [sign_in(product, name, "x").status for _ in range(10)]
    assert statuses == [401] * 10
    problem(sign_in(product, name.upper(), "x"), 429, "throttled")
    problem(sign_in(product, name, PASSWORD), 429, "throttled")


def test_parallel_tries_neither_slip_through_nor_shut_out_the_right_one(product):
    name, other = a_name(), a_name()
    for nickname in (name, other):
        register(product, nickname=nickname)
    with ThreadPoolExecutor(20) as pool:
        right = [pool.submit(sign_in, product, other) for _ in range(20)]
        wrong = [pool.submit(sign_in, product, name, "x") for _ in range(20)]
        assert [answer.result().status for answer in right] == [200] * 20
        assert sorted(answer.result().status for answer in wrong) == [401] * 10 + [429] * 10


def test_one_of_racing_refreshes_wins(product):
    refresh = register(product, nickname=a_name()).json["refresh"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _n: product.call("POST", "/auth/refresh", {"refresh": refresh}), range(8)
            )
        )
    assert sorted(answer.status for answer in answers) == [200] + [401] * 7
    (won,) = [answer for answer in answers if answer.status == 200]
    assert set(won.json) == {"access", "refresh"}
    assert product.call("GET", "/auth/me", token=won.json["access"]).status == 200
    again = product.call("POST", "/auth/refresh", {"refresh": won.json["refresh"]})
    assert again.status == 200
    for token in (refresh, won.json["refresh"], won.json["access"], "x", "a.b.c"):
        problem(product.call("POST", "/auth/refresh", {"refresh": token}), 401, "token_not_valid")


def test_a_crowd_at_the_door_does_not_keep_others_waiting(product):
    """Hashing passwords leaves a core to everybody else."""
    with ThreadPoolExecutor(40) as pool:
        waiting = [
            pool.submit(register, product, nickname=a_name(), timeout=150) for _ in range(40)
        ]
        wait(waiting, return_when=FIRST_COMPLETED)  # by now all others stand in line
        assert product.call("GET", "/health").status == 200
        assert not all(answer.done() for answer in waiting)
        assert {answer.result().status for answer in waiting} == {201}


def test_logout_blacklists(product):
    tokens = register(product, nickname=a_name()).json
    answer = product.call("POST", "/auth/logout", {"refresh": tokens["refresh"]})
    assert (answer.status, answer.json) == (200, {"ok": True})
    used = product.call("POST", "/auth/refresh", {"refresh": tokens["refresh"]})
    problem(used, 401, "token_not_valid")


def test_an_account_that_is_switched_off_has_nothing(product):
    name = a_name()
    tokens = register(product, nickname=name).json
    with closing(sqlite3.connect(product.database, timeout=10)) as connection:
        connection.execute("UPDATE interviews_user SET is_active = 0 WHERE nickname = ?", [name])
        connection.commit()
    problem(product.call("GET", "/auth/me", token=tokens["access"]), 401, "token_not_valid")
    refreshed = product.call("POST", "/auth/refresh", {"refresh": tokens["refresh"]})
    problem(refreshed, 401, "token_not_valid")
    problem(sign_in(product, name), 401, "invalid_credentials")


def test_session_calls_need_the_csrf_token(product):
    page = product.call("GET", "/accounts/login/")
    cookie = page.headers["set-cookie"].partition(";")[0]
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert token
    form = {
        "csrfmiddlewaretoken": token[1].decode(), "action": "sign-in", "login": "candidate",
        "password": "neurogame",
    }  # fmt: skip
    signed_in = product.call(
        "POST", "/accounts/login/", urlencode(form).encode(), Cookie=cookie,
        Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert signed_in.status == 302
    cookies = dict(re.findall(r"(sessionid|csrftoken)=([^;]+)", signed_in.headers["set-cookie"]))
    session, csrf = f"sessionid={cookies['sessionid']}", cookies["csrftoken"]
    cookie = f"{session}; csrftoken={csrf}"
    assert product.call("GET", "/auth/me", Cookie=session).status == 200
    for method, path in (("POST", "/chat/send"), ("PUT", "/tasks/draft"), ("POST", "/tasks/run")):
        problem(product.call(method, path, {}, Cookie=cookie), 403, "csrf_failed")
        allowed = product.call(method, path, {}, Cookie=cookie, X_CSRFToken=csrf)
        problem(allowed, 400, "invalid", "errors")
        foreign = {"Cookie": cookie, "X_CSRFToken": csrf, "Origin": "https://evil.example"}
        problem(product.call(method, path, {}, **foreign), 403, "csrf_failed")


# --- Anti-cheat -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def interview(product):
    token = register(product, nickname=a_name()).json["access"]
    body = {"track": "backend", "level": "junior"}
    started = product.call("POST", "/interview/start", body, token=token)
    assert started.status == 201
    return token, started.json["session_id"]


def signal(event_id, **fields):
    return {"event_id": event_id, "type": "blur", "ts": "2026-02-17T12:00:00Z", **fields}


def report(product, interview, events):
    token, session_id = interview
    body = events if isinstance(events, bytes) else {"session_id": session_id, "events": events}
    return product.call("POST", "/telemetry/anticheat", body, token=token)


def stored_signals(product, interview):
    with closing(sqlite3.connect(product.database, timeout=10)) as connection:
        rows = connection.execute(
            "SELECT event_id FROM telemetry_anticheatsignal WHERE session_id = ?",
            [interview[1].replace("-", "")],
        ).fetchall()
    return sorted(row[0] for row in rows)


def test_signals_are_stored_once_whoever_races(product, interview):
    batches = [[signal(f"race-{n}") for n in range(k, k + 10)] for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda events: report(product, interview, events), batches))
    assert [(answer.status, answer.json) for answer in answers] == [(200, {"ok": True})] * 8
    assert stored_signals(product, interview) == sorted(f"race-{n}" for n in range(17))


def test_bad_signals_do_not_take_good_ones_along(product, interview):
    good = [signal("good"), signal("odd", type="telepathy"), signal("n", payload=None)]
    bad = [None, 5, [], {}, signal(""), signal("x", ts="never"), signal("x", payload=[1])]
    before = set(stored_signals(product, interview))
    assert report(product, interview, [*bad, *good]).json == {"ok": True}
    assert set(stored_signals(product, interview)) - before == {"good", "odd", "n"}


def test_limits_of_signals_are_exact(product, interview):
    assert report(product, interview, [signal(f"l{n}") for n in range(200)]).status == 200
    problem(report(product, interview, [signal(f"m{n}") for n in range(201)]), 413, "too_large")
    head = b'{"session_id": "%s", "events": []}' % interview[1].encode()
    exactly = head + b" " * ((256 << 10) - len(head))
    assert report(product, interview, exactly).status == 200
    problem(report(product, interview, exactly + b" "), 413, "too_large")


def test_anothers_interview_is_not_there(product, interview):
    stranger = register(product, nickname=a_name()).json["access"]
    for session_id in (interview[1], str(uuid.uuid4()), "x", ""):
        body = {"session_id": session_id, "events": []}
        answer = product.call("POST", "/telemetry/anticheat", body, token=stranger)
        assert answer.status == (404 if session_id else 400)


def test_121st_report_of_a_minute_is_throttled(product):
    token = register(product, nickname=a_name()).json["access"]
    body = {"track": "backend", "level": "junior"}
    session = product.call("POST", "/interview/start", body, token=token).json["session_id"]
    with ThreadPoolExecutor(4) as pool:
        statuses = list(
            pool.map(
                lambda _n: report(product, (token, session), []).status, range(125)
            )
        )  # fmt: skip
    assert statuses.count(200) == 120
    problem(report(product, (token, session), []), 429, "throttled")


# --- A forgotten password -------------------------------------------------------------------------


def submit(product, path, **fields):
    """Fill in a page's form as a browser does, redirects included; the answer."""
    cookies: dict[str, str] = {}

    def call(method, target, body=None):
        answer = product.call(
            method, target, body, Cookie="; ".join(f"{n}={v}" for n, v in cookies.items()),
            Content_Type="application/x-www-form-urlencoded",
        )  # fmt: skip
        found = re.findall(r"(sessionid|csrftoken)=([^;]+)", answer.headers.get("set-cookie", ""))
        cookies.update(found)
        return answer

    page = call("GET", path)
    if page.status == 302:
        path = page.headers["location"]
        page = call("GET", path)
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
    if token is None:
        return page
    form = {"csrfmiddlewaretoken": token[1].decode(), **fields}
    return call("POST", path, urlencode(form).encode())


def test_a_forgotten_password_is_reset_by_mail(product):
    email = f"{a_name()}@Example.org"
    before = register(product, email=email).json
    for known in (email.upper(), "nobody@example.org"):
        assert submit(product, "/accounts/password_reset/", email=known).status == 302
    link = rf"http://127\.0\.0\.1:{product.port}(/accounts/reset/\S+)"
    deadline = time.monotonic() + 10
    while not (links := re.findall(link, product.log.read_text())):
        assert time.monotonic() < deadline, product.log.read_text()[-3000:]
        time.sleep(0.05)
    assert len(links) == 1
    new = {"new_password1": "Another-pass-77", "new_password2": "Another-pass-77"}
    assert submit(product, links[0], new_password1="short", new_password2="short").status == 200
    assert submit(product, links[0], **new).status == 302
    assert sign_in(product, email).status == 401
    assert sign_in(product, email, "Another-pass-77").status == 200
    refreshed = product.call("POST", "/auth/refresh", {"refresh": before["refresh"]})
    problem(refreshed, 401, "token_not_valid")
    problem(product.call("GET", "/auth/me", token=before["access"]), 401, "token_not_valid")
    assert submit(product, links[0], **new).status == 200  # the link works once
