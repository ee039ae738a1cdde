"""Section 3 of the contract, over HTTP: one shape for every error, and never a 500."""

from __future__ import annotations

import http.client

import pytest

from tests.contract.product import problem

API = (
    "/v1/nope", "/v1/events/", "/auth/", "/chat/x", "/tasks/x", "/telemetry/x", "/health/",
    "/interview/start/", "/interview/x/y", "/api/x", "/v1/%00", "/v1/%ff", "/auth/" + "x" * 3000,
)  # fmt: skip


@pytest.fixture(scope="module")
def token(product):
    answer = product.call("POST", "/auth/login", {"login": "candidate", "password": "neurogame"})
    return answer.json["access"]


@pytest.mark.parametrize("path", API)
def test_unknown_address_is_a_problem_whatever_is_accepted(product, path):
    for accept in ("application/json", "text/html", "*/*", "image/png;q=0"):
        problem(product.call("GET", path, Accept=accept), 404, "not_found")
    problem(product.call("POST", path, b"{}"), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/events", "POST"),
        ("/v1/export/raw", "GET, HEAD"),
        ("/v1/leaderboard", "GET, HEAD, OPTIONS"),
        ("/auth/login", "POST, OPTIONS"),
        ("/health", "GET, HEAD"),
        ("/api/docs", "GET, HEAD"),
        ("/api/schema", "GET, HEAD, OPTIONS"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "FOO"])
def test_wrong_method_is_a_problem_with_allow(product, path, allow, method):
    answer = product.call(method, path, b"{}")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/static/none.css", 404),
        ("/static/%00", 404),
        ("/static/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/static/", 404),
        ("/none", 404),
        ("/%00", 404),
        ("/%ff%fe", 404),
    ],
)
def test_missing_page_or_file_is_no_crash(product, path, status):
    answer = product.call("GET", path)
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/interview", "/leaderboard", "/admin", "/accounts/login"])
def test_what_is_posted_without_the_slash_is_no_crash(product, path):
    assert product.call("POST", path, b"{}").status in (403, 404)
    assert product.call("GET", path).status in (301, 302)


@pytest.mark.parametrize("path", ["/accounts/login/", "/interview/", "/auth/login", "/v1/none"])
@pytest.mark.parametrize("charset", ["utf-16", "rot13", "idna"])
def test_a_form_in_another_charset_is_no_crash(product, path, charset):
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        content_type = f"{kind}; charset={charset}"
        assert product.call("POST", path, b"a=b", Content_Type=content_type).status == 400


def test_lone_surrogate_is_a_field_error(product, token):
    body = rb'{"track": "\ud800", "level": "junior"}'
    answer = product.call("POST", "/interview/start", body, token=token)
    errors = problem(answer, 400, "invalid", "errors")["errors"]
    assert list(errors) == ["track"]


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer x", "Bearer x y", "Basic eA=="]
)
@pytest.mark.parametrize(
    "path", ["/auth/me", "/tasks/next?session_id=x", "/chat/stream?session_id=x", "/v1/export/raw"]
)
def test_missing_or_odd_credentials_are_401_with_a_challenge(product, path, header):
    answer = product.call("GET", path, Authorization=header)
    body = answer.json
    assert body["code"] in ("not_authenticated", "token_not_valid", "invalid_api_key")
    problem(answer, 401, body["code"])


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"{", 400, "bad_json"),
        ("application/json", b"\xff", 400, "bad_json"),
        ("application/json", b'{"login": NaN}', 400, "bad_json"),
        ("application/json", b"[" * 100_000, 400, "bad_json"),
        ("application/json", b'{"a":' * 65 + b"1" + b"}" * 65, 400, "bad_json"),
        ("application/json", b"9" * 5000, 400, "bad_json"),
        ("text/plain", b"{}", 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", b"login=x", 415, "unsupported_media_type"),
        ("multipart/form-data; boundary=x", b"--x--", 415, "unsupported_media_type"),
    ],
)
def test_bodies_that_are_no_json(product, content_type, body, status, code):
    answer = product.call("POST", "/auth/login", body, Content_Type=content_type)
    problem(answer, status, code)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "x"])
@pytest.mark.parametrize("path", ["/auth/login", "/auth/register", "/auth/refresh"])
def test_other_content_encodings_are_415(product, path, encoding):
    answer = product.call("POST", path, b"{}", Content_Encoding=encoding)
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"x"', b"true", b"{}", b""])
def test_json_that_is_no_object_is_a_field_error(product, body):
    problem(product.call("POST", "/auth/login", body), 400, "invalid", "errors")


def test_declared_and_counted_size_are_refused(product):
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=20)
    connection.putrequest("POST", "/auth/login")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    problem(product.call("POST", "/auth/login", b" " * ((1 << 20) + 1)), 413, "too_large")


def test_every_answer_carries_its_id(product):
    seen = set()
    for path in ("/", "/health", "/static/neurogame/css/base.css", "/nope", "/admin/", "/v1/x"):
        seen.add(product.call("GET", path).headers["x-request-id"])
    assert len(seen) == 6
    assert b"x-request-id" in product.raw(b"nonsense\r\n\r\n").lower()
