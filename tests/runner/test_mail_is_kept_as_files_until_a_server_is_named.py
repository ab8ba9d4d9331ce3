"""Without EMAIL_URL every mail becomes one `.eml` file; with it, mail goes to that server."""

from __future__ import annotations

import email
import email.policy
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection

from akashml.mail import MailServer


def test_each_mail_is_a_file_that_a_mail_program_opens(tmp_path: Path, settings: Any) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    mails = [EmailMessage(f"Grüße {number}", "Der Link: https://x.test/…", to=["ada@example.com"]) for number in range(3)]
    assert get_connection("akashml.mail.FileBackend").send_messages(mails) == 3
    files = sorted((tmp_path / "mail").iterdir())
    assert [file.suffix for file in files] == [".eml"] * 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    read = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
    assert [mail["Subject"] for mail in read] == ["Grüße 0", "Grüße 1", "Grüße 2"]
    assert "https://x.test/…" in read[0].get_content()


def test_an_address_becomes_the_settings_of_a_server() -> None:
    server = MailServer.parse("smtp+tls://user%40host:p%2Fw@mail.example.com?from=noreply@example.com")
    assert server == MailServer("mail.example.com", 587, "user@host", "p/w", tls=True, ssl=False, sender="noreply@example.com")
    assert MailServer.parse("smtps://mail.example.com:2465").ssl
    assert MailServer.parse("smtps://mail.example.com:2465").port == 2465


@pytest.mark.parametrize("address", ["smtp:///nohost", "smtp://host:99999", "imap://host"])
def test_a_wrong_address_is_named(address: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL"):
        MailServer.parse(address)
