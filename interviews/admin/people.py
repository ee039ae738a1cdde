"""Users, teams and groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from interviews import accounts
from interviews.models import Team, User
from neurogame.desk import DeskAdmin, labelled

admin.site.unregister(Group)


class UniqueLogin(forms.ModelForm):
    """At least one of nickname and e-mail, neither taken, however it is written."""

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if "nickname" in self.fields and not (given.get("nickname") or given.get("email")):
            raise ValidationError(_("Give a nickname or an e-mail address: it is the login."))
        for field in ("nickname", "email"):
            value = given.get(field)
            if value and field in self.changed_data and self._taken(field, value):
                self.add_error(field, _("This is taken already."))
        return given

    def _taken(self, field: str, value: str) -> bool:
        mine = getattr(User.objects.filter(pk=self.instance.pk).first(), f"{field}_key", None)
        return accounts.identity_key(value) != mine and accounts.taken(field, value)


class NewUserForm(UniqueLogin, UserCreationForm):
    class Meta:
        model = User
        fields = ("nickname", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["nickname"].required = False


class ChangedUserForm(UniqueLogin, UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"  # noqa: DJ007 - the fieldsets below say which


@admin.register(User)
class UserAdmin(DeskAdmin, auth_admin.UserAdmin):
    form = ChangedUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("login", "email", "roles", "is_staff", "is_active", "date_joined", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_fields = ("nickname_key", "email_key", "id")
    search_help_text = _("Nickname, e-mail or id.")
    ordering = ("-date_joined",)
    filter_horizontal = ()
    autocomplete_fields = ()
    empty_text = _("No account yet.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "Whoever works here is staff and in a group: Recruiters see their teams' "
                    "interviews, Analysts the game's events. Candidates need neither."
                ),
                "fields": ("nickname", "email", "password"),
            },
        ),
        (
            _("What they may do"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (_("When"), {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "description": _(
                    "A nickname, an e-mail address or both. Groups are chosen on the next page."
                ),
                "fields": ("nickname", "email", "usable_password", "password1", "password2"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody gives rights that they do not have themselves."""
        fixed = ("date_joined", "last_login")
        if request.user.is_superuser:
            return fixed
        return (*fixed, "is_staff", "is_superuser", "groups", "user_permissions")

    @display(description=_("login"), ordering="nickname_key")
    def login(self, row: User) -> str:
        return str(row)

    @labelled(_("groups"), "info")
    def roles(self, row: User) -> list[str] | None:
        names = [group.name for group in row.groups.all()]
        return ([str(_("superuser"))] if row.is_superuser else []) + names or None


@admin.register(Team)
class TeamAdmin(DeskAdmin):
    seen_by = "members"
    list_display = ("name", "people", "created_at")
    search_fields = ("name",)
    search_help_text = _("Part of a name.")
    autocomplete_fields = ("members",)
    readonly_fields = ("created_at",)
    empty_text = _("No team yet. An invite belongs to a team, so make one first.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A team owns its invites and the interviews they lead to. Its members, when "
                    "they are Recruiters, see exactly these."
                ),
                "fields": ("name", "members", "created_at"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        mine = super().get_queryset(request).values("pk")
        return Team.objects.filter(pk__in=mine).annotate(size=Count("members")).order_by("name")

    @display(description=_("members"), ordering="size")
    def people(self, row: Any) -> int:
        return row.size


@admin.register(Group)
class GroupAdmin(DeskAdmin, auth_admin.GroupAdmin):
    empty_text = _("No group. Migrations make Recruiters and Analysts.")
    list_display = ("name",)
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "Recruiters and Analysts are made by migrations, with the least they need; an "
                    "update of the product may set their permissions anew. For other rights make "
                    "a group of your own."
                ),
                "fields": ("name", "permissions"),
            },
        ),
    )
