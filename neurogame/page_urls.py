"""Routes of the pages that belong to no app, and of Django's account pages."""

from __future__ import annotations

from django.urls import include, path

from neurogame import pages

urlpatterns = [
    path("", pages.home, name="home"),
    path("play/", pages.play, name="play"),
    path("accounts/", include("django.contrib.auth.urls")),
]
