"""Accounts: register, sign in, rotate and blacklist tokens."""

from __future__ import annotations

import os
import threading
import zlib
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import datetime_from_epoch, get_md5_hash_password

from interviews.models import User, identity_key
from neurogame import throttling
from neurogame.net import client_address
from neurogame.problems import Problem

# A hash takes a third of a second of one core. Of a crowd at the door one core stays free, so that
# everybody else is still answered.
_hashing = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) - 1))
_turns = [threading.Lock() for _ in range(64)]


def taken(field: str, value: str) -> bool:
    """Whether another account has this e-mail or nickname, however it is written."""
    return User.objects.filter(**{f"{field}_key": identity_key(value)}).exists()


def register(*, nickname: str, email: str, password: str) -> User:
    """A new candidate. Raises ValidationError with the fields at fault."""
    errors: dict[str, list[str]] = {}
    if not (nickname or email):
        raise ValidationError({"nickname": [_("Give an e-mail address or a nickname.")]})
    for field, value in (("nickname", nickname), ("email", email)):
        if value and taken(field, value):
            errors[field] = [_("This is taken already.")]
    try:
        validate_password(password, User(nickname=nickname or None, email=email or None))
    except ValidationError as error:
        errors["password"] = list(error.messages)
    if errors:
        raise ValidationError(errors)
    user = User(nickname=nickname or None, email=email or None)
    with _hashing:  # not while others wait for the transaction
        user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
        return user
    except IntegrityError:  # someone was faster
        field = "nickname" if nickname and taken("nickname", nickname) else "email"
        raise ValidationError({field: [_("This is taken already.")]}) from None


def sign_in(request: HttpRequest, *, login: str, password: str) -> User:
    """The user of these credentials.

    Failed tries are throttled by account and address together and by address alone. Tries of one
    account from one address take turns, each looking at the failures before it, so that parallel
    ones cannot slip through and right ones are never counted.
    Raises `Problem("invalid_credentials")`, the same for an unknown login and a wrong password.
    """
    address = client_address(request)
    account = f"{identity_key(login)}|{address}"
    counted = [("login_address", address), ("login_account", account)]
    _refuse_after_failures(counted)
    with _turns[zlib.crc32(account.encode("utf-8", "replace")) % len(_turns)]:
        _refuse_after_failures(counted)
        with _hashing:
            user = authenticate(request, username=login, password=password)
        if user is None:
            for scope, ident in counted:
                throttling.count(scope, ident)
            raise Problem("invalid_credentials")
    update_last_login(User, user)
    return user


def _refuse_after_failures(counted: list[tuple[str, str]]) -> None:
    for scope, ident in counted:
        throttling.check(scope, ident)


def tokens_for(user: User) -> dict[str, str]:
    refresh = RefreshToken.for_user(user)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def _read(raw: str) -> RefreshToken:
    try:
        return RefreshToken(raw)  # type: ignore[arg-type]  # it takes the encoded text
    except TokenError:
        raise Problem("token_not_valid") from None


def _blacklist(token: RefreshToken) -> bool:
    """Blacklist a token; False when it already was: of two racing requests one wins."""
    outstanding, _created = OutstandingToken.objects.get_or_create(
        jti=token["jti"],
        defaults={"token": str(token), "expires_at": datetime_from_epoch(token["exp"])},
    )
    _row, created = BlacklistedToken.objects.get_or_create(token=outstanding)
    return created


def rotate(raw: str) -> dict[str, str]:
    """A new pair for a refresh token, which is blacklisted; `token_not_valid` if it is not one."""
    token = _read(raw)
    user = User.objects.filter(pk=token.get(api_settings.USER_ID_CLAIM), is_active=True).first()
    claimed: Any = token.get(api_settings.REVOKE_TOKEN_CLAIM)
    if user is None or claimed != get_md5_hash_password(user.password):
        raise Problem("token_not_valid")
    with transaction.atomic():
        if not _blacklist(token):
            raise Problem("token_not_valid")
        return tokens_for(user)


def sign_out(raw: str) -> None:
    """Blacklist a refresh token."""
    token = _read(raw)
    with transaction.atomic():
        _blacklist(token)
