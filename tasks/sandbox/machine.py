"""What the kernel and the engine of a machine give or refuse, each in a sentence of its own."""

from __future__ import annotations

from pathlib import Path

from django.utils.translation import gettext as _

from tasks.sandbox.base import Check

ROOT = Path("/")


def user_namespaces(root: Path = ROOT) -> list[Check]:
    """What stands in the way of unprivileged user namespaces below `root`; nothing when nothing."""
    found = []
    if _setting(root, "kernel/apparmor_restrict_unprivileged_userns") == "1":
        found.append(
            (
                _("AppArmor lets only chosen programs make user namespaces (Ubuntu)."),
                _(
                    "Allow them: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, "
                    "or give bubblewrap an AppArmor profile with the permission userns."
                ),
            )
        )
    if _setting(root, "kernel/unprivileged_userns_clone") == "0":
        found.append(
            (
                _("The kernel lets only root make user namespaces."),
                _("Allow them: sysctl -w kernel.unprivileged_userns_clone=1"),
            )
        )
    if _setting(root, "user/max_user_namespaces") == "0":
        found.append(
            (
                _("The kernel allows no user namespaces at all, or this container none."),
                _("Allow user namespaces: sysctl -w user.max_user_namespaces=10000"),
            )
        )
    if in_container(root) and _filtered(root):
        found.append(
            (
                _("This is a container whose system call filter may refuse new namespaces."),
                _(
                    "Give the sandbox service alone the security options seccomp=unconfined and "
                    "systempaths=unconfined, or use SANDBOX=docker on a runner host."
                ),
            )
        )
    name = _("user namespaces")
    return [Check(name, False, detail, remedy, required=False) for detail, remedy in found]


def limits(enforcement: str, root: Path = ROOT) -> Check:
    """Who holds the limits, and why it is not the kernel where it is not."""
    if enforcement != "watchdog":
        return Check(_("limits"), True, enforcement, required=False)
    detail = _("watchdog: limits are held by polling, a few milliseconds late")
    if (root / "sys/fs/cgroup/cgroup.controllers").exists():
        detail += ". " + _("The control groups (version 2) are not delegated to this process")
        remedy = _("Optional: give the server's systemd unit Delegate=yes, or run it as root.")
    else:
        remedy = _("Optional: run the server as root with writable control groups (version 1).")
    return Check(_("limits"), False, detail, remedy, required=False)


def in_container(root: Path = ROOT) -> bool:
    """Whether this process lives in a Docker or Podman container."""
    return (root / ".dockerenv").exists() or (root / "run/.containerenv").exists()


def remedy(complaint: str) -> str:
    """What to do about a message of bubblewrap, of the Docker engine or of the kernel."""
    known = (
        (
            ("there is no such socket",),
            _(
                "Start the Docker engine (systemctl start docker), or set DOCKER_HOST to its address."
            ),
        ),
        (
            ("does not let this user in",),
            _(
                "Let the server's user speak to the engine: usermod -aG docker USER. Whoever may do "
                "so is root on that machine: do it on runner hosts only."
            ),
        ),
        (
            ("does not answer",),
            _("Look why the Docker engine does not answer: systemctl status docker."),
        ),
        (
            ("is missing in the Docker engine",),
            _(
                "Make the image: docker build --target sandbox -t neurogame-sandbox . "
                "or set SANDBOX_IMAGE to one that is there."
            ),
        ),
        (
            ("mount proc", "mounting proc"),
            _(
                "In a container: allow a fresh /proc with the security options "
                "systempaths=unconfined and seccomp=unconfined, for the sandbox service alone."
            ),
        ),
        (
            ("No space left on device", "max_user_namespaces"),
            _("Allow user namespaces: sysctl -w user.max_user_namespaces=10000"),
        ),
        (
            ("namespace", "uid map", "Operation not permitted", "Permission denied"),
            _(
                "Allow unprivileged user namespaces: "
                "sysctl -w kernel.unprivileged_userns_clone=1 (Debian), "
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 23.10 and "
                "later), or in a container the security option seccomp=unconfined."
            ),
        ),
        (("bubblewrap is missing",), _("Install it: apt install bubblewrap, or make run again.")),
        (("prlimit is missing",), _("Install it: apt install util-linux")),
        (("can hold",), _("Make one of these directories writable and executable.")),
    )
    for signs, what_to_do in known:
        if any(sign in complaint for sign in signs):
            return what_to_do
    return _("Read the message; the sandbox wants Linux 5.11 or later, x86_64 or aarch64.")


def _setting(root: Path, name: str) -> str:
    try:
        return (root / "proc/sys" / name).read_text().strip()
    except OSError:
        return ""


def _filtered(root: Path) -> bool:
    try:
        return "\nSeccomp:\t2" in (root / "proc/self/status").read_text()
    except OSError:
        return False
