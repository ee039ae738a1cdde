"""People: the user of every kind, and the teams of recruiters."""

from __future__ import annotations

import re
import unicodedata
import uuid
from typing import Any, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def identity_key(name: str) -> str:
    """The form in which e-mails and nicknames are compared: NFKC, casefolded, stable.

    Casefolding can leave a text that is not normalised, so it is normalised once more.
    """
    folded = unicodedata.normalize("NFKC", name.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


_NICKNAME = re.compile(r"[\w.\-]{3,32}")
KEY_LENGTH = {"nickname": 128, "email": 510}


def validate_nickname(nickname: str) -> None:
    """Raise ValidationError unless it is 3-32 letters, digits, `_`, `.`, `-`, also in its key.

    Normalising can lengthen a text eighteenfold, so the length of the key is checked too.
    """
    fits = _NICKNAME.fullmatch(nickname) and _NICKNAME.fullmatch(
        unicodedata.normalize("NFKC", nickname)
    )
    if not fits or len(identity_key(nickname)) > KEY_LENGTH["nickname"]:
        raise ValidationError(
            _("A nickname is 3 to 32 letters, digits, dots, dashes or underscores."), "nickname"
        )


def validate_email_key(email: str) -> None:
    if len(identity_key(email)) > KEY_LENGTH["email"]:
        raise ValidationError(_("This e-mail address is too long."), "email")


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, login: str | None) -> User:
        """The user whose e-mail or nickname `login` is, however it is written."""
        key = identity_key(login or "")
        if not key or "\x00" in key:
            raise self.model.DoesNotExist
        return self.get(Q(email_key=key) if "@" in key else Q(nickname_key=key))

    def create_user(
        self,
        nickname: str | None = None,
        email: str | None = None,
        password: str | None = None,
        **fields: Any,
    ) -> User:
        """A user with at least one of e-mail and nickname. Raises ValueError without both."""
        if not (nickname or email):
            raise ValueError("a user needs an e-mail or a nickname")
        user = self.model(nickname=nickname or None, email=email or None, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, nickname: str | None = None, password: str | None = None, **fields: Any
    ) -> User:
        fields |= {"is_staff": True, "is_superuser": True}
        return self.create_user(nickname=nickname, password=password, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A candidate, recruiter, analyst or operator; the groups say which."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    nickname = models.CharField(
        _("nickname"),
        max_length=32,
        unique=True,
        null=True,
        blank=True,
        validators=[validate_nickname],
    )
    email = models.EmailField(
        _("e-mail"), max_length=254, null=True, blank=True, validators=[validate_email_key]
    )
    nickname_key = models.CharField(
        max_length=KEY_LENGTH["nickname"], unique=True, null=True, editable=False
    )
    email_key = models.CharField(
        max_length=KEY_LENGTH["email"], unique=True, null=True, editable=False
    )
    is_staff = models.BooleanField(
        _("staff"), default=False, help_text=_("May sign in to the admin.")
    )
    is_active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Untick instead of deleting: the records of a person stay readable."),
    )
    date_joined = models.DateTimeField(_("joined"), default=timezone.now, editable=False)

    objects = UserManager()
    USERNAME_FIELD = "nickname"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []  # type: ignore[var-annotated]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ["-date_joined"]
        constraints = [
            models.CheckConstraint(
                condition=Q(nickname_key__isnull=False) | Q(email_key__isnull=False),
                name="user_has_a_login",
            ),
        ]

    def __str__(self) -> str:
        return self.nickname or self.email or str(self.pk)

    def get_short_name(self) -> str:
        return self.nickname or (self.email or "").partition("@")[0]

    def clean(self) -> None:
        # The base class writes the normalised USERNAME_FIELD, which may be absent here.
        self.nickname = self.nickname or None
        self.email = self.email or None

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.nickname_key = identity_key(self.nickname) if self.nickname else None
        self.email_key = identity_key(self.email) if self.email else None
        fields = kwargs.get("update_fields")
        if fields is not None and {"nickname", "email"} & set(fields):
            kwargs["update_fields"] = {*fields, "nickname_key", "email_key"}
        super().save(*args, **kwargs)


class TeamQuerySet(models.QuerySet["Team"]):
    def for_recruiter(self, user: User) -> Self:
        """The teams whose invites and sessions `user` may see."""
        return self if user.is_superuser else self.filter(members=user)


class Team(models.Model):
    """A group of recruiters; it owns invites and the sessions they lead to."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    members = models.ManyToManyField(
        "interviews.User",
        related_name="teams",
        blank=True,
        verbose_name=_("members"),
        help_text=_("Recruiters who see the invites and sessions of this team."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = TeamQuerySet.as_manager()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
