"""Mail on the console, as a person reads it: a link stands on one line and can be copied."""

from __future__ import annotations

from django.core.mail import EmailMessage
from django.core.mail.backends.console import EmailBackend


class ConsoleBackend(EmailBackend):
    """Django's writes a message as it is sent, with long lines cut in two."""

    def write_message(self, message: EmailMessage) -> None:
        head = [
            ("Subject", message.subject),
            ("From", message.from_email),
            ("To", ", ".join(message.recipients())),
        ]
        lines = [*(f"{name}: {value}" for name, value in head), "", str(message.body), "-" * 79, ""]
        self.stream.write("\n".join(lines))
