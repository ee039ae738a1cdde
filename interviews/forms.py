"""The forms of the candidate's page: sign in, register, start."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from interviews.models import Invite, Level, Track
from interviews.models.people import validate_email_key, validate_nickname
from interviews.models.sessions import LOCALES


class Form(forms.Form):
    """Ids of its own for each form of a page; errors are tied to their fields by aria."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)


class SignInForm(Form):
    login = forms.CharField(
        label=_("E-mail or nickname"),
        max_length=254,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=256,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class RegisterForm(Form):
    email = forms.EmailField(
        label=_("E-mail"),
        required=False,
        max_length=254,
        validators=[validate_email_key],
        help_text=_("Only for resetting your password. A nickname alone is enough."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    nickname = forms.CharField(
        label=_("Nickname"),
        required=False,
        help_text=_("3 to 32 letters, digits, dots, dashes or underscores."),
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=256,
        strip=False,
        help_text=_("At least 8 characters; not only digits, not a common password."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_nickname(self) -> str:
        nickname = self.cleaned_data["nickname"]
        if nickname:
            validate_nickname(nickname)
        return nickname

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password


class StartForm(Form):
    """What to do, in which language, and whether signals may be recorded."""

    track = forms.ChoiceField(label=_("Track"), choices=Track.choices, widget=forms.RadioSelect)
    level = forms.ChoiceField(label=_("Level"), choices=Level.choices, widget=forms.RadioSelect)
    locale = forms.ChoiceField(label=_("Language of the interview"), choices=LOCALES)
    signals = forms.ChoiceField(
        label=_("May these signals be recorded?"),
        choices=[
            ("yes", _("Yes, record the signals")),
            ("no", _("No, interview me without signals")),
        ],
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, invite: Invite | None = None, **kwargs: Any) -> None:
        initial = {
            "track": Track.BACKEND.value,
            "level": Level.MIDDLE.value,
            "locale": invite.locale if invite else (get_language() or "en")[:2],
        }
        super().__init__(*args, initial=initial, **kwargs)
        if invite is not None:  # the invite has chosen
            del self.fields["track"], self.fields["level"]
