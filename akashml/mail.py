"""Where mail goes: to the server that EMAIL_URL names, else into files that any mail program opens."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage
from django.utils import timezone

PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


@dataclass(frozen=True)
class MailServer:
    """`tls` turns encryption on after connecting (STARTTLS), `ssl` before; `sender` is empty when the address names none."""

    host: str
    port: int
    user: str
    password: str
    tls: bool
    ssl: bool
    sender: str

    @classmethod
    def parse(cls, address: str) -> MailServer:
        """Read `smtp+tls://user:password@host:587?from=noreply@example.com`. Raises ImproperlyConfigured naming EMAIL_URL."""
        parts = urlsplit(address)
        try:
            port = parts.port or PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise ImproperlyConfigured(
                "EMAIL_URL needs the form smtp://, smtp+tls:// or smtps://, with a port between 1 and 65535."
            ) from None
        if not parts.hostname:
            raise ImproperlyConfigured("EMAIL_URL names no host: write smtp+tls://user:password@host:587?from=noreply@example.com")
        sender = parse_qs(parts.query).get("from", [""])[-1]
        return cls(
            host=parts.hostname,
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=parts.scheme == "smtp+tls",
            ssl=parts.scheme == "smtps",
            sender=sender,
        )


class FileBackend(BaseEmailBackend):
    """One `.eml` file per mail in EMAIL_FILE_PATH, named by time, so that the newest is the last one listed."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = Path(settings.EMAIL_FILE_PATH)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for message in email_messages:
            name = f"{timezone.now():%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}"
            unfinished = folder / f".{name}"  # whoever looks for `*.eml` sees whole mails only
            handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # a mail may carry a log-in link
            with os.fdopen(handle, "wb") as file:
                file.write(message.message().as_bytes())
            unfinished.rename(folder / f"{name}.eml")
        return len(email_messages)
