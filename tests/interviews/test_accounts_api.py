from __future__ import annotations

import pytest

from interviews.models import User

PASSWORD = "violet lamp 42"

pytestmark = pytest.mark.django_db


def register(api, **body):
    return api.post("/auth/register", {"password": PASSWORD, **body}, format="json")


def test_register_answers_user_and_tokens(anonymous_api):
    answer = register(anonymous_api, email="Ada@Example.org", nickname="Ada")
    assert answer.status_code == 201
    assert set(answer.json()) == {"user", "access", "refresh"}
    assert set(answer.json()["user"]) == {"id", "email", "nickname"}
    me = anonymous_api.get("/auth/me", HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
    assert me.json() == {"user": answer.json()["user"], "groups": []}


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        ({"nickname": "Straße"}, {"nickname": "STRASSE"}, "nickname"),
        ({"nickname": "Ёжик"}, {"nickname": "ёЖИК"}, "nickname"),
        ({"email": "a@example.org"}, {"email": "A@EXAMPLE.org"}, "email"),
        ({"nickname": "ﬁnn"}, {"nickname": "FINN"}, "nickname"),
    ],
)
def test_names_are_unique_by_their_casefold(anonymous_api, first, second, field):
    assert register(anonymous_api, **first).status_code == 201
    answer = register(anonymous_api, **second)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {field}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "nickname"),
        ({"nickname": "ab"}, "nickname"),
        ({"nickname": "a" * 33}, "nickname"),
        ({"nickname": "a@bcd"}, "nickname"),
        ({"nickname": "ﷺ" * 30}, "nickname"),
        ({"nickname": "a\u0000bc"}, "nickname"),
        ({"email": "nobody"}, "email"),
        ({"nickname": "ada", "password": "12345678"}, "password"),
        ({"nickname": "ada", "password": ""}, "password"),
        ({"nickname": "ada", "password": None}, "password"),
        ({"nickname": ["ada"]}, "nickname"),
    ],
)
def test_register_refuses(anonymous_api, body, field):
    answer = register(anonymous_api, **body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["ok"], problem["status"], problem["code"]) == (False, 400, "invalid")
    assert field in problem["errors"]


@pytest.mark.parametrize("body", ['["a"]', '"x"', "{", '{"a": NaN}', "[" * 5000, ""])
def test_bodies_of_other_shapes_are_400(anonymous_api, body):
    answer = anonymous_api.generic("POST", "/auth/login", body, "application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("login", ["ada", "ADA", "Ada@Example.ORG"])
def test_login_by_nickname_or_email(anonymous_api, make_user, login):
    make_user("ada", email="ada@example.org")
    answer = anonymous_api.post(
        "/auth/login", {"login": login, "password": "correct horse"}, format="json"
    )
    assert answer.status_code == 200
    assert set(answer.json()) == {"user", "access", "refresh"}


def test_login_says_the_same_for_unknown_user_and_wrong_password(anonymous_api, candidate):
    answers = [
        anonymous_api.post("/auth/login", {"login": login, "password": "wrong"}, format="json")
        for login in ("ada", "nobody")
    ]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "invalid_credentials"


def test_login_is_throttled_by_account_and_address(anonymous_api, candidate):
    def attempt(login="ada", password="wrong", address="10.0.0.1", **extra):
        return anonymous_api.post(
            "/auth/login",
            {"login": login, "password": password},
            format="json",
            REMOTE_ADDR=address,
            **extra,
        )

    assert [attempt().status_code for _ in range(10)] == [401] * 10
    refused = attempt(password="correct horse", HTTP_X_FORWARDED_FOR="8.8.8.8")
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 300
    assert refused.json()["code"] == "throttled"
    assert attempt(password="correct horse", address="10.0.0.2").status_code == 200
    assert attempt(login="other").status_code == 401


def test_right_logins_do_not_count(anonymous_api, candidate):
    for _ in range(15):
        answer = anonymous_api.post(
            "/auth/login", {"login": "ada", "password": "correct horse"}, format="json"
        )
        assert answer.status_code == 200


def test_refresh_rotates_and_blacklists(anonymous_api):
    first = register(anonymous_api, nickname="ada").json()["refresh"]
    second = anonymous_api.post("/auth/refresh", {"refresh": first}, format="json")
    assert second.status_code == 200
    assert set(second.json()) == {"access", "refresh"}
    again = anonymous_api.post("/auth/refresh", {"refresh": first}, format="json")
    assert (again.status_code, again.json()["code"]) == (401, "token_not_valid")


def test_logout_blacklists(anonymous_api):
    refresh = register(anonymous_api, nickname="ada").json()["refresh"]
    assert anonymous_api.post("/auth/logout", {"refresh": refresh}, format="json").json() == {
        "ok": True
    }
    answer = anonymous_api.post("/auth/refresh", {"refresh": refresh}, format="json")
    assert answer.status_code == 401


def test_tokens_of_an_inactive_user_and_of_an_old_password_are_refused(anonymous_api):
    tokens = register(anonymous_api, nickname="ada").json()
    user = User.objects.get()
    user.set_password("another one 77")
    user.save()
    header = f"Bearer {tokens['access']}"
    answer = anonymous_api.get("/auth/me", HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    answer = anonymous_api.post("/auth/refresh", {"refresh": tokens["refresh"]}, format="json")
    assert answer.status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Bearer a b", "Basic abc"])
def test_me_without_a_valid_token_is_401(anonymous_api, header):
    answer = anonymous_api.get("/auth/me", HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_wrong_method_and_media_type(anonymous_api):
    assert anonymous_api.get("/auth/login").status_code == 405
    answer = anonymous_api.post("/auth/login", "login=ada", content_type="text/plain")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert anonymous_api.get("/auth/nothing").json()["code"] == "not_found"
