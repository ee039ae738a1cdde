"""Invites: making one or many, mailing them, withdrawing them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.utils import parseaddr
from smtplib import SMTPServerDisconnected
from typing import Any

from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, mailers
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from interviews.models import Invite, Level, Team, User

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 100
NAME_LENGTH = 120
_SEPARATORS = re.compile(r"[,;\t]")


@dataclass(frozen=True, slots=True)
class Guest:
    """Who is invited. Without an address the link is handed over in another way."""

    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Mailed:
    """How many mails were handed over, and how many failed; each invite says why."""

    sent: int = 0
    failed: int = 0


# --- Who ----------------------------------------------------------------------------------------


def read_guests(text: str) -> list[Guest]:
    """The guests of a pasted list, one a line: `name, e-mail`, `Name <e-mail>`, either alone.

    Commas, semicolons and tabs separate. Raises ValidationError with a message for each line
    that is wrong, for an address that stands there twice, for an empty or a too long list.
    """
    guests: list[Guest] = []
    errors: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        guest = _read_line(line)
        problem = _problem(guest)
        first = seen.setdefault(guest.email.casefold(), number) if guest.email else number
        if first != number and not problem:
            problem = _("the address stands in line %d already") % first
        if problem:
            errors.append(
                _("Line %(number)d: %(problem)s.") % {"number": number, "problem": problem}
            )
        guests.append(guest)
    if not guests:
        errors.append(_("Name at least one person, one a line."))
    if len(guests) > MOST_AT_ONCE:
        errors.append(_("At most %d people at once: invite the rest afterwards.") % MOST_AT_ONCE)
    if errors:
        raise ValidationError(errors[:10])
    return guests


def _read_line(line: str) -> Guest:
    name, address = parseaddr(line)
    if "<" in line and "@" in address:
        return Guest(" ".join(name.split()), address)
    parts = [part.strip() for part in _SEPARATORS.split(line)]
    addresses = [part for part in parts if "@" in part]
    names = [part for part in parts if part and "@" not in part]
    return Guest(" ".join(" ".join(names).split()), ", ".join(addresses))


def _problem(guest: Guest) -> str:
    if not guest.name and not guest.email:
        return _("there is neither a name nor an address")
    if len(guest.name) > NAME_LENGTH:
        return _("the name is longer than %d characters") % NAME_LENGTH
    if guest.email:
        try:
            validate_email(guest.email)
        except ValidationError:
            return _("“%s” is no e-mail address") % guest.email[:80]
        if len(guest.email) > 254:
            return _("the address is too long")
    return ""


# --- Making and withdrawing ---------------------------------------------------------------------


@transaction.atomic
def make(
    *,
    team: Team,
    by: User,
    guests: Sequence[Guest],
    track: str,
    level: str,
    locale: str = "en",
    time_factor: Decimal = Decimal("1"),
    expires_at: datetime | None = None,
) -> list[Invite]:
    """An invite for each guest, all of them or none; nothing is mailed yet."""
    return [
        Invite.objects.create(
            team=team,
            created_by=by,
            candidate_name=guest.name,
            email=guest.email,
            track=track,
            level=level,
            locale=locale,
            time_factor=time_factor,
            expires_at=expires_at,
        )
        for guest in guests
    ]


def withdraw(invite: Invite, *, now: datetime | None = None) -> bool:
    """Close the link; False when it was used or withdrawn already."""
    now = now or timezone.now()
    changed = Invite.objects.filter(pk=invite.pk, used_at=None, revoked_at=None).update(
        revoked_at=now
    )
    invite.refresh_from_db()
    return bool(changed)


# --- Mailing ------------------------------------------------------------------------------------


def message_for(invite: Invite) -> EmailMultiAlternatives:
    """The mail of an invite, in its language."""
    with override(invite.locale):
        context = {
            "invite": invite,
            "track": invite.get_track_display(),
            "level": invite.get_level_display(),
            "minutes": round(Level(invite.level).minutes * float(invite.time_factor)),
        }
        folder = f"emails/{invite.locale}"
        subject = render_to_string(f"{folder}/invite_subject.txt", context)
        text = render_to_string(f"{folder}/invite.txt", context)
        html = render_to_string(f"{folder}/invite.html", context)
    by = invite.created_by
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=text,
        to=[invite.email],
        reply_to=[by.email] if by is not None and by.email else None,
    )
    message.attach_alternative(html, "text/html")
    return message


def mail(invites: Iterable[Invite], *, now: datetime | None = None) -> Mailed:
    """Mail the links of open invites that have an address, over one connection.

    Never raises for a mail that cannot be sent: the reason is stored in `send_error`, where the
    admin shows it. When the mail server cannot be reached the rest is not tried one by one. Call
    it outside a transaction: it waits for the network.
    """
    now = now or timezone.now()
    open_ones = [invite for invite in invites if invite.email and invite.is_open(now)]
    if not open_ones:
        return Mailed()
    mailer: Any = None
    failed = 0
    gone: Exception | None = None
    try:
        mailer = mailers.default
        mailer.open()
    except Exception as error:
        gone = error
    for invite in open_ones:
        fault = gone
        if fault is None:
            try:
                if not mailer.send_messages([message_for(invite)]):
                    fault = RuntimeError(_("the mail server took no message"))
            except Exception as error:
                fault = error
                if isinstance(error, TimeoutError | ConnectionError | SMTPServerDisconnected):
                    gone = error
        failed += fault is not None
        _record(invite, fault, now)
    _close(mailer)
    return Mailed(len(open_ones) - failed, failed)


def _record(invite: Invite, fault: Exception | None, now: datetime) -> None:
    if fault is None:
        invite.sent_at, invite.send_error = now, ""
    else:
        logger.warning("the mail of invite %s failed: %r", invite.pk, fault)
        invite.send_error = f"{type(fault).__name__}: {fault}"[:300]
    Invite.objects.filter(pk=invite.pk).update(sent_at=invite.sent_at, send_error=invite.send_error)


def _close(mailer: Any) -> None:
    try:
        if mailer is not None:
            mailer.close()
    except Exception:
        logger.info("the mail connection did not close cleanly", exc_info=True)
