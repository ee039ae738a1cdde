"""Finds or installs the browser of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from neurogame.bootstrap.environment import SetupError, say

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
HELP = (
    "The tests need a browser. Install one and run make test again:\n"
    "  apt-get install chromium            (as root, on Debian and Ubuntu)\n"
    "  .venv/bin/python -m playwright install --with-deps chromium\n"
    "or name it: NEUROGAME_TEST_BROWSER=/path/to/chrome make test"
)


def installed() -> str | None:
    """The path of an installed Chromium or Chrome, Playwright's own included."""
    named = os.environ.get("NEUROGAME_TEST_BROWSER")
    if named:
        if not shutil.which(named):
            raise SetupError(f"NEUROGAME_TEST_BROWSER={named} is no program.\n{HELP}")
        return shutil.which(named)
    for name in NAMES:
        if found := shutil.which(name):
            return found
    for place in PLACES:
        if Path(place).exists():
            return place
    return _playwrights_own()


def _playwrights_own() -> str | None:
    code = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    path = done.stdout.strip()
    return path if done.returncode == 0 and path and Path(path).exists() else None


def ensure() -> str:
    """The browser's path, installed first when there is none. Raises `SetupError`."""
    if found := installed():
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing Chromium from the distribution's packages")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
        ):
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
        if found := installed():
            return found
    say("Downloading Playwright's Chromium")
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if found := installed():
        return found
    raise SetupError(HELP)
