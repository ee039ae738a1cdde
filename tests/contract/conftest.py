"""One migrated database, copied for every server; one server that the modules share."""

from __future__ import annotations

import pytest

from tests.contract.product import Product, environment, manage, running


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """A migrated database with the task bank and the demo accounts."""
    directory = tmp_path_factory.mktemp("database")
    env = environment(directory)
    for command in (["migrate", "-v0"], ["load_tasks"], ["demo_accounts"]):
        done = manage(env, *command)
        assert done.returncode == 0, done.stderr
    return directory / "neurogame.sqlite3"


@pytest.fixture(scope="session")
def product(tmp_path_factory, database):
    """A server in development with the defaults."""
    with running(tmp_path_factory.mktemp("product"), database) as started:
        yield started


@pytest.fixture
def start(tmp_path, database):
    """A function that starts a server of one's own with the given environment."""
    stack = []

    def start(**variables: str) -> Product:
        context = running(tmp_path / str(len(stack)), database, **variables)
        stack.append(context)
        return context.__enter__()

    yield start
    for context in reversed(stack):
        context.__exit__(None, None, None)
