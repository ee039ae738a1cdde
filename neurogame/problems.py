"""The one error shape of the API: `application/problem+json` (RFC 9457).

Every error goes through here: DRF's exceptions by `exception_handler`, Django's own (no such
route, wrong method, a crash) by `ProblemMiddleware` and the handlers that `urls.py` names.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from neurogame.requestlog import current_request_id, phrase

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
CHALLENGE = "Bearer"  # what a 401 asks for (RFC 9110, section 11.6.1)
OUTAGE_RETRY_S = 2
API_PREFIXES = (
    "/v1/",
    "/auth/",
    "/chat/",
    "/tasks/",
    "/telemetry/",
    "/health",
    "/metrics",
    "/api/",
)

# Every stable code with its status; the schema shows this table.
CODES: dict[str, tuple[int, str]] = {
    "bad_request": (400, gettext_noop("The request cannot be understood.")),
    "bad_json": (400, gettext_noop("The body is not JSON.")),
    "invalid": (400, gettext_noop("Fields are at fault; see `errors`.")),
    "bad_envelope": (
        400,
        gettext_noop("The event envelope is not an object with a list `events`."),
    ),
    "not_authenticated": (401, gettext_noop("No credentials came with the request.")),
    "token_not_valid": (401, gettext_noop("The token is invalid, expired or blacklisted.")),
    "invalid_credentials": (401, gettext_noop("The login or the password is wrong.")),
    "invalid_api_key": (401, gettext_noop("The API key is missing, wrong or revoked.")),
    "permission_denied": (403, gettext_noop("Not yours to do.")),
    "csrf_failed": (403, gettext_noop("The CSRF token is missing or wrong.")),
    "no_consent": (403, gettext_noop("The candidate did not consent to recording signals.")),
    "not_invited": (403, gettext_noop("Without an invite no interview starts on this server.")),
    "not_found": (404, gettext_noop("Not there, or not yours to see.")),
    "method_not_allowed": (405, gettext_noop("The method is not allowed here.")),
    "conflict": (409, gettext_noop("The wrong state for this; see `state`.")),
    "session_active": (
        409,
        gettext_noop("Another interview of this candidate is running; see `session_id`."),
    ),
    "session_over": (409, gettext_noop("The interview has ended; see `state`.")),
    "task_closed": (409, gettext_noop("The task is done; see `task_state`.")),
    "evaluating": (409, gettext_noop("Another submission of this task is being evaluated.")),
    "draft_conflict": (409, gettext_noop("A newer draft is stored; see `draft`.")),
    "submission_conflict": (409, gettext_noop("Other code was sent under this `submission_id`.")),
    "invite_used": (409, gettext_noop("The invite has been used, has expired or was withdrawn.")),
    "timeout": (408, gettext_noop("The request did not arrive in time.")),
    "too_large": (413, gettext_noop("The body or a part of it is too large.")),
    "unsupported_media_type": (
        415,
        gettext_noop("The media type or the content encoding is not supported."),
    ),
    "headers_too_large": (431, gettext_noop("The head of the request is too large.")),
    "throttled": (429, gettext_noop("Too many requests; see `Retry-After`.")),
    "error": (500, gettext_noop("The server failed; the request id finds it in the log.")),
    "judge_busy": (
        503,
        gettext_noop("Too many programs wait to be judged; see `Retry-After`."),
    ),
    "unavailable": (
        503,
        gettext_noop("Something the server needs does not answer; see `Retry-After`."),
    ),
}


class Problem(exceptions.APIException):
    """An API error by its code of `CODES`; further members of the answer are keyword arguments."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        retry_after: int | None = None,
        errors: dict[str, list[str]] | None = None,
        **members: Any,
    ) -> None:
        self.status_code = CODES[code][0]
        self.problem_code = code
        self.errors = errors
        self.members = members
        self.wait = retry_after
        super().__init__(detail=detail or str(_(CODES[code][1])), code=code)


def problem_body(
    status: int,
    code: str,
    detail: str,
    *,
    errors: dict[str, Any] | None = None,
    **members: Any,
) -> dict[str, Any]:
    """The members of a problem answer."""
    body: dict[str, Any] = {
        "ok": False,
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": current_request_id(),
        **members,
    }
    if errors:
        body["errors"] = errors
    return body


def problem_response(
    code: str,
    detail: str = "",
    *,
    status: int | None = None,
    retry_after: int | None = None,
    errors: dict[str, Any] | None = None,
    **members: Any,
) -> JsonResponse:
    """A problem answer for views outside DRF."""
    status = status or CODES[code][0]
    detail = detail or str(_(CODES[code][1]))
    body = problem_body(status, code, detail, errors=errors, **members)
    response = JsonResponse(body, status=status, content_type=CONTENT_TYPE)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    if status == 401:
        response["WWW-Authenticate"] = CHALLENGE
    return response


def is_outage(error: BaseException) -> bool:
    """Whether the database failed, rather than a statement: it is away, busy, moved or broken."""
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return True
    return type(error) is DatabaseError  # SQLite: the file is not a database


def is_api_path(path: str) -> bool:
    """Whether errors under `path` are answered as problems rather than as pages."""
    if path.startswith("/interview/"):
        return path != "/interview/"
    return path.startswith(API_PREFIXES)


def _sendable(text: object) -> str:
    """`text` without the lone surrogates that it may quote from a body."""
    return str(text).encode("utf-8", "replace").decode()


def _flatten(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested error detail as {"field.sub": ["sentence"]}."""
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for key, value in detail.items():
            name = _sendable(f"{prefix}.{key}" if prefix else key)
            for field, sentences in _flatten(value, name).items():
                flat.setdefault(field, []).extend(sentences)
        return flat
    if isinstance(detail, list):
        flat = {}
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            name = f"{prefix}.{index}" if nested and prefix else prefix or "non_field_errors"
            for field, sentences in _flatten(value, name).items():
                flat.setdefault(field, []).extend(sentences)
        return flat
    return {prefix or "non_field_errors": [_sendable(detail)]}


def _code_of(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.Throttled):
        return "throttled"
    if isinstance(error, exceptions.UnsupportedMediaType):
        return "unsupported_media_type"
    if isinstance(error, exceptions.MethodNotAllowed):
        return "method_not_allowed"
    if isinstance(error, exceptions.NotAuthenticated):
        return "not_authenticated"
    if isinstance(error, exceptions.PermissionDenied):
        csrf = str(error.detail).startswith("CSRF Failed")
        return "csrf_failed" if csrf else "permission_denied"
    if isinstance(error, exceptions.AuthenticationFailed):
        code = error.get_codes()
        code = code.get("code") if isinstance(code, dict) else code
        return code if code in CODES else "token_not_valid"
    if isinstance(error, exceptions.NotFound):
        return "not_found"
    if isinstance(error, exceptions.ParseError):
        code = error.get_codes()
        return code if isinstance(code, str) and code in CODES else "bad_request"
    return "bad_request" if error.status_code < 500 else "error"


def _detail_of(error: exceptions.APIException) -> str:
    """The sentence of DRF's exception; where DRF cannot translate its own, ours."""
    code = _code_of(error)
    if code == "csrf_failed":
        return _(CODES[code][1])
    wait = getattr(error, "wait", None)
    if code == "throttled" and wait is not None:
        seconds = max(1, math.ceil(wait))
        return ngettext(
            "Too many requests. Try again in %(n)d second.",
            "Too many requests. Try again in %(n)d seconds.",
            seconds,
        ) % {"n": seconds}
    detail: Any = error.detail
    if isinstance(detail, dict):
        detail = detail.get("detail", detail)
    return _sendable(detail)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's `EXCEPTION_HANDLER`: every API error as a problem; None lets a crash be a 500."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = Problem("too_large")
    elif isinstance(error, SuspiciousOperation):
        error = exceptions.ParseError()
    elif is_outage(error):
        logger.exception("the database does not answer")
        error = Problem(
            "unavailable", _("The database is busy; try again."), retry_after=OUTAGE_RETRY_S
        )
    if not isinstance(error, exceptions.APIException):
        return None
    headers: dict[str, str] = {}
    if error.status_code == 401:
        headers["WWW-Authenticate"] = getattr(error, "auth_header", None) or CHALLENGE
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if isinstance(error, Problem):
        body = problem_body(
            error.status_code,
            error.problem_code,
            str(error.detail),
            errors=error.errors,
            **error.members,
        )
    elif isinstance(error, exceptions.ValidationError):
        body = problem_body(
            400, "invalid", _("Some fields are not right."), errors=_flatten(error.detail)
        )
    else:
        body = problem_body(error.status_code, _code_of(error), _detail_of(error))
    set_rollback()
    return Response(body, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)


# --- Django's own errors --------------------------------------------------------------------


def _page(request: HttpRequest, status: int) -> HttpResponse:
    return render(request, f"{status}.html", status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return problem_response("too_large")
    return problem_response("bad_request") if is_api_path(request.path) else _page(request, 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if is_api_path(request.path):
        return problem_response("permission_denied")
    return _page(request, 403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem_response("not_found") if is_api_path(request.path) else _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    error = sys.exception()
    if error is not None and is_outage(error):  # raised by a middleware
        return unavailable(request)
    return problem_response("error") if is_api_path(request.path) else _page(request, 500)


def unavailable(request: HttpRequest) -> HttpResponse:
    """The database does not answer: 503 for a program and for a person."""
    if is_api_path(request.path):
        return problem_response(
            "unavailable", _("The database is busy; try again."), retry_after=OUTAGE_RETRY_S
        )
    page = _page(request, 503)
    page["Retry-After"] = str(OUTAGE_RETRY_S)
    return page


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problem_response("csrf_failed") if is_api_path(request.path) else _page(request, 403)


FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def is_unreadable_form(request: HttpRequest) -> bool:
    """Whether a form claims another charset than UTF-8: not every codec reads text (`rot13`).

    Django refuses some of them, too, but its own debug page does not survive that.
    """
    return request.content_type in FORMS and (request.encoding or "utf-8").lower() != "utf-8"


class ProblemMiddleware:
    """Turns what Django itself answers under the API's paths into problems.

    Covers the 404 of the debug page, the 405 of plain views and exceptions of plain views; a
    database that does not answer is a 503 on pages as well.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.answer(request)
        if is_unreadable_form(request):
            return bad_request(request)
        return self.mend(request, self.get_response(request))

    async def answer(self, request: HttpRequest) -> HttpResponseBase:
        if is_unreadable_form(request):
            return bad_request(request)
        return self.mend(request, await self.get_response(request))

    def mend(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code < 400 or not is_api_path(request.path):
            return response
        if response.headers.get("Content-Type", "").startswith(CONTENT_TYPE):
            return response
        status = response.status_code
        code = next((code for code, (known, _text) in CODES.items() if known == status), "error")
        problem = problem_response(code, status=status)
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in response.headers:
                problem[name] = response.headers[name]
        return problem

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, exceptions.APIException):
            answer = exception_handler(exception, {})
            if answer is not None and is_api_path(request.path):
                problem = JsonResponse(
                    answer.data, status=answer.status_code, content_type=CONTENT_TYPE
                )
                for name, value in answer.headers.items():
                    if name != "Content-Type":
                        problem[name] = value
                return problem
        if is_outage(exception):
            logger.exception("the database does not answer")
            return unavailable(request)
        return None
