"""The admin's sign-in form: the same credentials, throttles and answers as everywhere else."""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from rest_framework.exceptions import Throttled
from unfold.forms import AuthenticationForm

from interviews import accounts
from neurogame.problems import Problem


class SignInForm(AuthenticationForm):
    """`wait_s` is set when there were too many tries: the site answers 429."""

    wait_s = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Nickname or e-mail")
        self.fields["username"].max_length = 254
        self.fields["username"].widget.attrs["maxlength"] = 254

    def clean(self) -> dict[str, Any]:
        login = self.cleaned_data.get("username")
        password = self.cleaned_data.get("password")
        if login is None or not password:
            return self.cleaned_data
        try:
            user = accounts.sign_in(self.request, login=login, password=password)
        except Problem:
            raise self.get_invalid_login_error() from None
        except Throttled as throttled:
            self.wait_s = max(1, math.ceil(throttled.wait or 1))
            raise ValidationError(
                _("Too many tries. Try again in %d seconds.") % self.wait_s
            ) from None
        self.confirm_login_allowed(user)
        self.user_cache = user
        return self.cleaned_data
