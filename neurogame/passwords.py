"""A password that nobody may choose."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class NotTheDemoPassword:
    """Refuses the demo accounts' password: a server in production does not start with it."""

    def validate(self, password: str, user: Any = None) -> None:
        if password == settings.DEMO_PASSWORD:
            raise ValidationError(_("This is the password of the demo accounts."), "demo_password")

    def get_help_text(self) -> str:
        return _("Your password can’t be that of the demo accounts.")
