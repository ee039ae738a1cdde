"""What the deployment promises: who holds which secret, what is open, what is checked."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurogame.bootstrap import healthcheck, services
from tests.neurogame.test_server import running

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = (ROOT / ".env.server.example").read_text()
SECRET = re.compile(r"PASSWORD|SECRET|API_KEY")
# The contract's page, section 2.
CONTRACT = re.findall(
    r"\w+",
    """
    NEUROGAME_API_KEY NEUROGAME_DB_PATH URL_DATABASE REDIS_URL BASE_URL OPENAI_API_KEY LLM_MODEL
    LLM_CODE_MODEL LLM_NO_THINK LLM_TIMEOUT_S LLM_FIRST_TOKEN_TIMEOUT_S FRONTEND_ORIGIN SANDBOX
    RUNNER_REDIS_URL SECRET_KEY DEBUG ALLOWED_HOSTS PUBLIC_URL TRUSTED_PROXIES OPEN_SESSIONS
    EMAIL_URL PORT NEUROGAME_TELEMETRY_URL NEUROGAME_TELEMETRY_API_KEY NEUROGAME_CLIENT_VERSION
    """,
)


def example() -> dict[str, str]:
    lines = (line.partition("=") for line in EXAMPLE.splitlines() if re.match(r"[A-Z_]+=", line))
    return {name: value for name, _equals, value in lines}


# --- variables ------------------------------------------------------------------------------


def test_example_lists_the_contract_and_every_setting() -> None:
    settings = (ROOT / "neurogame" / "settings.py").read_text()
    read = set(re.findall(r'\b(?:text|words|env\.\w+)\(\s*"([A-Z_0-9]+)"', settings))
    assert len(read) > 20
    tests_only = {"NEUROGAME_TEST_DB"}
    assert sorted((set(CONTRACT) | (read - tests_only)) - set(example())) == []


def test_example_has_no_name_that_nobody_reads() -> None:
    settings = (ROOT / "neurogame" / "settings.py").read_text()
    client = (ROOT / "telemetry" / "client.py").read_text()
    unread = [n for n in example() if not re.search(rf"\b{n}\b", settings + client + TEXT)]
    assert unread == []


def test_example_holds_no_secret_and_explains_each_variable() -> None:
    assert [n for n, value in example().items() if SECRET.search(n) and value] == []
    commented = False
    for line in EXAMPLE.splitlines():
        if re.match(r"[A-Z_]+=", line):
            assert commented, line
        else:
            commented = line.startswith("#") and not line.startswith("# ---")


def test_compose_has_no_default_for_a_secret() -> None:
    used = re.findall(r"(?<!\$)\$\{([A-Z_]+)(:?[-?]?)([^}]*)\}", TEXT)
    assert {name for name, _how, _rest in used} <= set(example())
    for name, how, rest in used:
        if SECRET.search(name) and name != "OPENAI_API_KEY":
            assert (how, bool(rest)) == (":?", True), name
    assert ("OPENAI_API_KEY", ":-", "") in used


# --- services -------------------------------------------------------------------------------


def test_only_the_runner_is_unconfined_and_exactly_as_bubblewrap_needs() -> None:
    assert SERVICES["runner"]["security_opt"] == ["seccomp=unconfined", "systempaths=unconfined"]
    for name, service in SERVICES.items():
        if name != "runner":
            assert all("unconfined" not in option for option in service.get("security_opt", []))
        assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"} & set(service)
    assert "docker.sock" not in TEXT


def test_runner_holds_no_key_but_its_queue() -> None:
    runner = SERVICES["runner"]
    assert set(runner["environment"]) == {
        "DEBUG", "SANDBOX", "JUDGE_SLOTS", "LOG_LEVEL", "RUNNER_REDIS_URL",
    }  # fmt: skip
    assert runner["networks"] == ["judge"]
    assert "volumes" not in runner
    assert "env_file" not in runner
    assert COMPOSE["networks"]["judge"] == {"internal": True}


def test_only_the_web_is_reachable_and_only_from_this_host() -> None:
    open_ports = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert open_ports == {"web": ["127.0.0.1:${PORT:-8000}:8000"]}
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["data"]


def test_every_lasting_service_restarts_and_is_checked() -> None:
    for name, service in SERVICES.items():
        if name == "prepare":
            assert (service["restart"], service["healthcheck"]) == ("no", {"disable": True})
            continue
        assert service["restart"] == "unless-stopped", name
        assert "test" in service.get("healthcheck", {}) or name == "web"
    assert "HEALTHCHECK" in DOCKERFILE.partition("AS web")[2]


def test_web_and_worker_wait_for_migrations_and_stores() -> None:
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
            "prepare": {"condition": "service_completed_successfully"},
        }


def test_commands_exist() -> None:
    for service in SERVICES.values():
        command = service.get("command", [])
        if command[:2] == ["python", "manage.py"]:
            done = subprocess.run(
                [sys.executable, "manage.py", command[2], "--help"],
                cwd=ROOT, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            for option in (word for word in command[3:] if word.startswith("--")):
                assert option in done.stdout


# --- images ---------------------------------------------------------------------------------


def test_images_run_as_somebody_else_than_root() -> None:
    for stage in ("AS base", "AS runner", "AS web"):
        lines = DOCKERFILE.partition(stage)[2].partition("\nFROM")[0].splitlines()
        users = [line for line in lines if line.startswith("USER")]
        assert users[-1:] in ([], ["USER neurogame"])
    assert "USER neurogame" in DOCKERFILE.partition("AS base")[2].partition("\nFROM")[0]


def test_image_holds_the_product_and_nothing_else() -> None:
    kept = re.findall(r"(?m)^!(\S+)$", (ROOT / ".dockerignore").read_text())
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")
    for name in kept:
        assert (ROOT / name).exists(), name
    assert not {".env", "data", ".git", ".venv", "tests"} & set(kept)


def test_health_check_of_the_image_asks_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as probe:
        monkeypatch.setenv("PORT", str(probe.port))
        assert healthcheck.main() == 0
        probe.stop()
        assert healthcheck.main() == 1


@pytest.mark.parametrize(
    ("hosts", "url", "header"),
    [
        ("a.example,b.example", "https://c.example", "a.example"),
        ("*, .d.example", "https://c.example", "d.example"),
        ("", "https://c.example:8443/x", "c.example"),
        ("", "", "127.0.0.1"),
    ],
)
def test_health_check_names_a_host_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, hosts: str, url: str, header: str
) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", hosts)
    monkeypatch.setenv("PUBLIC_URL", url)
    assert healthcheck.host_header() == header


# --- production settings ----------------------------------------------------------------------


def test_production_settings_pass_the_deployment_checks(tmp_path: Path) -> None:
    production = {
        "DJANGO_SETTINGS_MODULE": "neurogame.settings",
        "NEUROGAME_DB_PATH": str(tmp_path / "db.sqlite3"),
        "NEUROGAME_ENV_FILE": "none",
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "NEUROGAME_API_KEY": secrets.token_urlsafe(24),
        "PUBLIC_URL": "https://neurogame.example",
        "TRUSTED_PROXIES": "1",
        "EMAIL_URL": "smtp+tls://user:password@mail.example:587",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env={**os.environ, **production}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# --- the queue's user of Redis ----------------------------------------------------------------


def acl_lines(*, app: str, runner: str) -> str:
    """The user file that the compose file's redis service writes for itself."""
    lines = re.findall(r'echo "(user .*)"', SERVICES["redis"]["command"][2])
    text = "\n".join(lines) + "\n"
    return text.replace("$$APP_PASSWORD", app).replace("$$RUNNER_PASSWORD", runner)


if shutil.which(services.REDIS):

    @pytest.fixture
    def redis_with_users(tmp_path: Path) -> Any:
        """Two URLs of one Redis: the product's user, the runner's user."""
        (tmp_path / "users.acl").write_text(acl_lines(app="app-pw", runner="runner-pw"))
        with services.redis("--aclfile", str(tmp_path / "users.acl")) as url:
            address = url.removeprefix("redis://")
            yield f"redis://app:app-pw@{address}", f"redis://runner:runner-pw@{address}"

    def test_runner_user_reaches_the_queue_and_nothing_else(redis_with_users: Any) -> None:
        from redis import Redis
        from redis.exceptions import AuthenticationError, ResponseError

        app_url, runner_url = redis_with_users
        with Redis.from_url(app_url) as app, Redis.from_url(runner_url) as runner:
            app.set("neurogame:session", "secret")
            assert runner.set("rq:probe", 1)
            for forbidden in (
                lambda: runner.get("neurogame:session"),
                lambda: runner.set("neurogame:session", "x"),
                lambda: runner.keys("*"),
                lambda: list(runner.scan_iter("*")),
                lambda: runner.randomkey(),
                lambda: runner.publish("neurogame:events", "x"),
                lambda: runner.eval("return redis.call('GET', 'neurogame:session')", 0),
                lambda: runner.config_get("*"),
                lambda: runner.flushall(),
            ):
                with pytest.raises(ResponseError, match=r"permission|access"):
                    forbidden()
        with (
            pytest.raises(AuthenticationError),
            Redis.from_url(re.sub(r"//.*@", "//", app_url)) as nobody,
        ):
            nobody.ping()

    def test_runner_process_serves_the_queue_as_that_user(
        redis_with_users: Any, tmp_path: Path
    ) -> None:
        from tasks.judge_queue import RqRunner
        from tasks.sandbox.base import Job
        from tasks.spec import Limits

        _app_url, runner_url = redis_with_users
        environment = {
            "PATH": os.environ["PATH"],
            "DEBUG": "0",
            "NEUROGAME_ENV_FILE": "none",
            "NEUROGAME_DB_PATH": str(tmp_path / "none.sqlite3"),
            "RUNNER_REDIS_URL": runner_url,
        }
        process = subprocess.Popen(
            [sys.executable, "manage.py", "runner", "--slots", "1"], cwd=ROOT, env=environment
        )
        queue = RqRunner(runner_url, patience=60.0)
        try:
            job = Job(
                language="python",
                source="print(input()[::-1])",
                kind="stdio",
                entry="",
                inputs=("abc\n",),
                limits=Limits(time_s=5.0, output_kb=64),
            )
            evaluation = queue.submit(job).result(timeout=90)
            assert [run.stdout for run in evaluation.runs] == ["cba\n"]
        finally:
            queue.shutdown()
            process.terminate()
            process.wait(30)

    def test_product_user_can_do_what_the_product_does(redis_with_users: Any) -> None:
        from redis import Redis

        app_url, _runner_url = redis_with_users
        with Redis.from_url(app_url) as app:
            app.xadd("neurogame:stream", {"a": 1})
            app.publish("neurogame:events", "x")
            assert app.eval("return redis.call('INCR', KEYS[1])", 1, "neurogame:n") == 1
            assert app.info("server")["redis_mode"] == "standalone"
