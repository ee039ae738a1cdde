"""The product's settings in a clean environment of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
SCRATCH = Path(tempfile.mkdtemp(prefix=f"neurogame-tests-{_worker}-"))
for _name in (
    "OPENAI_API_KEY",
    "BASE_URL",
    "REDIS_URL",
    "RUNNER_REDIS_URL",
    "FRONTEND_ORIGIN",
    "EMAIL_URL",
    "SECRET_KEY",
    "NEUROGAME_API_KEY",
    "PUBLIC_URL",
    "TRUSTED_PROXIES",
    "ALLOWED_HOSTS",
    "OPEN_SESSIONS",
    "SANDBOX",
    "SANDBOX_IMAGE",
    "SANDBOX_DOCKER_RUNTIME",
    "SANDBOX_POOL",
    "PORT",
    "EVENT_RETENTION_DAYS",
):
    os.environ.pop(_name, None)
os.environ.update(
    NEUROGAME_ENV_FILE="none",
    DEBUG="1",
    NEUROGAME_DB_PATH=str(SCRATCH / "neurogame.sqlite3"),
    URL_DATABASE=os.environ.get("NEUROGAME_TEST_POSTGRES", ""),
)

from neurogame.settings import *  # noqa: E402, F403

# pytest turns DEBUG off; what hangs on it keeps its development value.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if not URL_DATABASE:  # noqa: F405
    # Power cuts are tested on a real server process; here nothing waits for the disk.
    DATABASES["default"]["OPTIONS"]["init_command"] = (  # noqa: F405
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
    )
