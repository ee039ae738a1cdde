"""Shared set-up: a clean cache, users, API clients."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import translation
from rest_framework.test import APIClient

from neurogame.bootstrap import catalogues
from tests.wipe import install

catalogues.compile_all()  # before any text is asked for
install()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The test database; connections of other threads are closed before it is dropped."""
    yield
    from telemetry import ingest

    ingest.writer.close()
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(autouse=True)
def _clean_slate():
    """No test sees the cache or the language that another one left in the thread."""
    cache.clear()
    translation.activate("en")
    yield
    cache.clear()
    translation.activate("en")


@pytest.fixture
def make_user(db):
    """A function that makes a user with the password `correct horse`."""
    from interviews.models import User

    def make(nickname: str, **fields):
        return User.objects.create_user(nickname=nickname, password="correct horse", **fields)

    return make


@pytest.fixture
def candidate(make_user):
    return make_user("ada")


@pytest.fixture
def stranger(make_user):
    return make_user("mallory")


@pytest.fixture
def api(candidate):
    """An API client with the candidate's access token."""
    return bearer_client(candidate)


@pytest.fixture
def stranger_api(stranger):
    return bearer_client(stranger)


@pytest.fixture
def anonymous_api(db):
    return APIClient()


def bearer_client(user) -> APIClient:
    """An API client that carries a fresh access token of `user`."""
    from rest_framework_simplejwt.tokens import RefreshToken

    client = APIClient()
    token = RefreshToken.for_user(user).access_token
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client
