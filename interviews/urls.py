"""Routes of the interview room: accounts, interviews, chat, and the candidate's page."""

from __future__ import annotations

from django.urls import path

from interviews import accounts_api, api, chat_urls, schema, views  # noqa: F401

urlpatterns = [
    path("accounts/login/", views.sign_in, name="login"),
    path("interview/", views.interview, name="interview"),
    path("auth/register", accounts_api.RegisterView.as_view(), name="auth-register"),
    path("auth/login", accounts_api.LoginView.as_view(), name="auth-login"),
    path("auth/refresh", accounts_api.RefreshView.as_view(), name="auth-refresh"),
    path("auth/logout", accounts_api.LogoutView.as_view(), name="auth-logout"),
    path("auth/me", accounts_api.MeView.as_view(), name="auth-me"),
    path("interview/start", api.StartView.as_view(), name="interview-start"),
    path("interview/finish", api.FinishView.as_view(), name="interview-finish"),
    path("interview/tracks", api.TracksView.as_view(), name="interview-tracks"),
    path("interview/<str:session_id>", api.SessionView.as_view(), name="interview-session"),
    *chat_urls.urlpatterns,
]
