"""Who is asking: a JWT in `Authorization: Bearer`, also for views outside DRF."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken

from neurogame.requestlog import set_request_user


class BearerAuthentication(JWTAuthentication):
    """simplejwt's authentication with answers in our error codes.

    A token whose user is gone, inactive or has changed the password is no longer valid.
    """

    def authenticate(self, request: Any) -> Any:
        result = super().authenticate(request)
        if result is not None:
            set_request_user(result[0].pk)
        return result

    def get_validated_token(self, raw_token: bytes) -> Any:
        try:
            return super().get_validated_token(raw_token)
        except InvalidToken:
            raise InvalidToken({"detail": _("The access token is invalid or has expired.")})
