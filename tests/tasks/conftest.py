"""What needs a Docker engine is collected only where the tests have one."""

import pytest

from .sandbox_support import ENGINE, backend

collect_ignore_glob = [] if ENGINE else ["test_docker_*.py"]


@pytest.fixture(scope="session", autouse=True)
def _containers_are_removed():
    """The pool's containers wait for the next program until somebody says that there is none."""
    yield
    if ENGINE:
        backend("docker").close()
