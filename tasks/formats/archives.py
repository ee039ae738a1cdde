"""Unpacking archives of packages that nobody trusts."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _

from tasks.manifest import PackageError

SUFFIXES = (".zip", ".kpp")
MAX_MEMBERS = 5_000
MAX_BYTES = 128 * 1024 * 1024
_CHUNK = 64 * 1024


def unpack(archive: Path, into: Path) -> None:
    """Unpack a zip archive into the empty folder `into`.

    Raises `PackageError` for what is no zip archive, is encrypted, holds links, names outside of
    itself or one name twice, and for more than `MAX_MEMBERS` files or `MAX_BYTES`, which are
    counted while they are unpacked: what an archive says of its sizes is not believed.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            _unpack(archive, opened, into)
    except FileNotFoundError:
        raise PackageError(archive, _("there is no such file or folder"))
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
        raise PackageError(archive, _("cannot be unpacked: %(error)s") % {"error": error})
    except RuntimeError as error:  # zipfile's word for an encrypted member
        raise PackageError(archive, _("cannot be unpacked: %(error)s") % {"error": error})


def _unpack(archive: Path, opened: zipfile.ZipFile, into: Path) -> None:
    members = opened.infolist()
    if len(members) > MAX_MEMBERS:
        raise PackageError(archive, _("holds more than %(limit)d files") % {"limit": MAX_MEMBERS})
    left = MAX_BYTES
    seen: set[str] = set()
    for member in members:
        target = into / _safe(archive, member)
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        if member.filename.casefold() in seen:
            raise PackageError(
                archive, _("holds one name twice: %(name)s") % {"name": member.filename}
            )
        seen.add(member.filename.casefold())
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as source, target.open("xb") as copy:
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise PackageError(
                        archive,
                        _("is larger than %(limit)d bytes unpacked") % {"limit": MAX_BYTES},
                    )
                copy.write(chunk)


def _safe(archive: Path, member: zipfile.ZipInfo) -> PurePosixPath:
    """The member's path. A link, or a path that leads out of the archive, is refused."""
    name = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if (
        name.is_absolute()
        or ".." in name.parts
        or not name.parts
        or any(character in member.filename for character in ("\\", "\0", ":"))
        or kind not in (0, stat.S_IFREG, stat.S_IFDIR)
    ):
        raise PackageError(
            archive, _("holds a name that is not allowed: %(name)r") % {"name": member.filename}
        )
    return name
