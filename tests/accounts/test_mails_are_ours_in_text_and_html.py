"""Promise: every mail about an account is in our words, in text and in HTML that say the same, and nothing in it is taken for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from allauth.core.context import request_context
from django.conf import settings as site
from django.core import mail
from django.test import RequestFactory
from django.utils import timezone

from apps.billing.models import NoticeKind
from apps.dashboard.mail_preview import example
from tests.people import new_email

TEMPLATES = Path(site.BASE_DIR) / "templates"
MAILS = sorted(str(path.relative_to(TEMPLATES).with_suffix("")) for path in TEMPLATES.glob("*/email/*.html"))
HOSTILE = '<b onclick="x">&"\''
CONTEXT = {
    "code": "1234-5678",
    "password_reset_url": "https://ai.example.com/accounts/password/reset/key/1-abc/?a=1&b=2",
    "signup_url": "https://ai.example.com/accounts/signup/",
    "from_email": f"{HOSTILE}@example.com",
    "to_email": "new@example.com",
    "provider": {"name": HOSTILE},
    "account": HOSTILE,
    "timestamp": timezone.now(),
    "ip": "203.0.113.9",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
}


class Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._skip = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._skip += tag in ("style", "title")
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text.append(data)


def send(prefix: str, **context: Any) -> Any:
    request = RequestFactory().get("/")
    with request_context(request):
        about_money = example(NoticeKind(prefix.rpartition("/")[2])) if prefix.startswith("billing/") else {}
        get_adapter(request).send_mail(prefix, new_email(), {**CONTEXT, **about_money, **context})
    return mail.outbox[-1]


def plain_words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("prefix", MAILS)
def test_text_and_html_say_the_same(prefix: str) -> None:
    message = send(prefix)
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    parser = Words()
    parser.feed(html)
    shown = plain_words(" ".join(parser.text))
    for paragraph in message.body.split("\n--\n")[0].split("\n\n"):
        for line in paragraph.splitlines() if paragraph.startswith(("When", "    ")) else [paragraph]:
            wanted = plain_words(line.removeprefix("When:").removeprefix("From:"))
            assert wanted.replace(", ", " · ") in shown or wanted in shown, (wanted, shown)
    assert "\n" not in message.subject
    assert 10 < len(message.subject) < 70
    assert max(len(line) for line in message.body.splitlines() if "://" not in line) <= 72
    assert not re.search(r"{[{%]|None|\ballauth\b|testserver|example site", message.body + html)
    assert parser.tags <= {"html", "head", "meta", "title", "style", "body", "table", "tr", "td", "h1", "p", "a", "span"}


@pytest.mark.parametrize("prefix", ["account/email/email_changed", "socialaccount/email/account_connected"])
def test_what_others_chose_is_no_markup(prefix: str) -> None:
    message = send(prefix)
    assert HOSTILE in plain_words(message.body)  # text is text
    assert HOSTILE not in message.alternatives[0][0]
    assert "&lt;b" in message.alternatives[0][0]


def test_what_banks_say_is_no_markup() -> None:
    message = send("billing/email/auto_topup_paused", reason=HOSTILE)
    assert HOSTILE in plain_words(message.body)
    assert HOSTILE not in message.alternatives[0][0]


def test_there_is_a_mail_for_every_notice_about_money() -> None:
    assert {f"billing/email/{kind}" for kind in NoticeKind} == {name for name in MAILS if name.startswith("billing/")}


def test_links_and_codes_are_whole_in_both() -> None:
    message = send("account/email/password_reset_key")
    parser = Words()
    parser.feed(message.alternatives[0][0])
    assert CONTEXT["password_reset_url"] in message.body
    assert CONTEXT["password_reset_url"] in parser.links
    message = send("account/email/email_confirmation_signup")
    assert message.subject.startswith("1234-5678 ")


def test_there_is_a_mail_for_all_that_allauth_sends() -> None:
    import allauth

    folder = Path(allauth.__file__).parent / "templates"
    theirs = {
        str(path.relative_to(folder)).removesuffix("_subject.txt")
        for app in ("account", "mfa", "socialaccount")
        for path in (folder / app / "email").glob("*_subject.txt")
    }
    # Sent only by what is not in use here: links that verify, codes that log in or reset, several addresses.
    unused = {f"account/email/{name}" for name in ("email_confirm", "login_code", "password_reset_code", "email_deleted")}
    assert theirs - unused <= set(MAILS)
