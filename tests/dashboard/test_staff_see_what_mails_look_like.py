"""Promise: staff look at every mail about money before a customer gets it; to others there is no such page."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.billing.models import NoticeKind
from tests.staff import staff_client


def test_every_mail_is_listed_and_shown() -> None:
    client = staff_client()
    page = client.get("/style/mails").text
    for kind in NoticeKind:
        assert f'href="/style/mails/{kind}"' in page
        html, text = client.get(f"/style/mails/{kind}"), client.get(f"/style/mails/{kind}?text")
        assert html.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert text.text.startswith("Subject: ")
        assert text.headers["Content-Type"].startswith("text/plain")
    assert client.get("/style/mails/nonsense").status_code == 404


@pytest.mark.parametrize("path", ["/style/mails", "/style/mails/receipt"])
def test_others_find_nothing(client_of_a_customer: Client, path: str) -> None:
    assert client_of_a_customer.get(path).status_code == 404
    assert Client().get(path).status_code == 404
