"""The mails that the site wrote as .eml files, as a mail program would show them."""

from __future__ import annotations

import email
import re
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from django.conf import settings


def last_mail_to(address: str) -> EmailMessage:
    """Raises AssertionError when there is none."""
    for path in sorted(Path(settings.EMAIL_FILE_PATH).glob("*.eml"), reverse=True):
        message: EmailMessage = email.message_from_bytes(path.read_bytes(), policy=default)  # type: ignore[assignment,arg-type]
        if message["to"] == address:
            return message
    raise AssertionError(f"no mail to {address}")


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def code_for(address: str) -> str:
    [code] = re.findall(r"^ +(\d{4}-\d{4})$", text_of(last_mail_to(address)), re.MULTILINE)
    return str(code)


def link_for(address: str) -> str:
    [link] = re.findall(r"^ +(https?://\S+)$", text_of(last_mail_to(address)), re.MULTILINE)
    return str(link)
