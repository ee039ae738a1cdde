"""Routes of the pages that belong to no app, and of Django's account pages but signing in."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import views as auth
from django.urls import path

from neurogame import dictionary, pages

_public = urlsplit(settings.PUBLIC_URL)  # links in mails lead there, whatever host was asked

urlpatterns = [
    path("", pages.home, name="home"),
    path("play/", pages.play, name="play"),
    path("play/client.py", pages.play_client, name="play-client"),
    path("dictionary/", dictionary.page, name="dictionary"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "accounts/password_reset/",
        auth.PasswordResetView.as_view(
            extra_email_context={"protocol": _public.scheme, "domain": _public.netloc}
        ),
        name="password_reset",
    ),
    path(
        "accounts/password_reset/done/",
        auth.PasswordResetDoneView.as_view(),
        name="password_reset_done",
    ),
    path(
        "accounts/reset/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path(
        "accounts/reset/done/",
        auth.PasswordResetCompleteView.as_view(),
        name="password_reset_complete",
    ),
]
