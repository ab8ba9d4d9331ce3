"""Promise: a backend that points into private address space is refused unless the operator allows it."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.backend_urls import check_backend_url, refuse_private_address

PUBLIC = [
    "http://93.184.216.34/v1",
    "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/v1",
    "https://1.1.1.1",
    "http://[::ffff:8.8.8.8]/v1",
]
PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "0.0.0.0", "0",
    "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "168.63.129.16",
    "2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "017700000001", "0xA9FEA9FE", "127.0.0.1.", "0x7F.0x0.0x0.0x1",
    "[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[fec0::1]", "[2001:db8::1]",
    "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::1]",
    "localhost", "LOCALHOST", "localhost.", "db.localhost", "printer.local", "metadata.google.internal", "nas.home.arpa", "x.localdomain",
]  # fmt: skip


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server of the test's own: what a name resolves to, which only the network decides otherwise."""
    known: dict[str, list[str]] = {}

    def resolve(host: str, *args: Any, **options: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.mark.parametrize("host", PRIVATE)
def test_every_spelling_of_a_private_address_is_refused(host: str, names: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="ALLOW_PRIVATE_BACKENDS"):
        check_backend_url(f"http://{host}:8000/v1", allow_private=False)


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_pass_when_the_operator_allows_them(host: str) -> None:
    url = f"http://{host}:8000/v1"
    assert check_backend_url(url, allow_private=True) == url


@pytest.mark.parametrize("url", PUBLIC)
def test_public_addresses_pass(url: str) -> None:
    assert check_backend_url(url, allow_private=False) == url


def test_a_name_is_refused_if_any_of_its_addresses_is_private(names: dict[str, list[str]]) -> None:
    names["mixed.example.com"] = ["93.184.216.34", "10.0.0.5"]
    names["inner.example.com"] = ["fe80::1%eth0"]
    names["good.example.com"] = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]
    for host in ("mixed.example.com", "inner.example.com"):
        with pytest.raises(ValueError, match="private network"):
            check_backend_url(f"https://{host}/v1", allow_private=False)
    assert check_backend_url("https://good.example.com/v1/", allow_private=False) == "https://good.example.com/v1"


def test_a_name_that_does_not_resolve_yet_is_left_to_the_check_at_connect_time(names: dict[str, list[str]]) -> None:
    assert check_backend_url("https://soon.example.com/v1", allow_private=False) == "https://soon.example.com/v1"
    refuse_private_address("93.184.216.34", allow_private=False)
    refuse_private_address("10.0.0.1", allow_private=True)
    for address in ("10.0.0.1", "::1", "fe80::1%eth0", "::ffff:127.0.0.1"):
        with pytest.raises(ValueError, match="private network"):
            refuse_private_address(address, allow_private=False)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/v1", "http"),
        ("example.com/v1", "http"),
        ("file:///etc/passwd", "http"),
        ("http://", "host"),
        ("http:///v1", "host"),
        ("http://user:secret@example.com/v1", "user name"),
        ("http://1.1.1.1@127.0.0.1/v1", "user name"),
        ("http://example.com/v1?key=1", "query"),
        ("http://example.com/v1?", "query"),
        ("http://example.com/v1#top", "fragment"),
        ("http://example.com:99999/v1", "not an address"),
        ("http://example.com:port/v1", "not an address"),
        ("http://example.com:0/v1", "port"),
        ("http://[::1/v1", "not an address"),
        ("http://exa mple.com/v1", "spaces"),
        ("http://example.com/v1\n", "spaces"),
        ("http://example.com\\@127.0.0.1/v1", "spaces"),
        ("http://１２７.0.0.1/v1", "ASCII"),
        ("http://bücher.example/v1", "xn--"),
        ("http://999.1.1.1/v1", "not an IP address"),
        ("http://1.2.3.4.5/v1", "not an IP address"),
        ("http://-bad-.example.com/v1", "host name"),
        (f"http://{'a' * 64}.example.com/v1", "host name"),
        (f"http://example.com/{'a' * 500}", "500"),
    ],
)
def test_what_is_no_backend_address_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_backend_url(url, allow_private=True)


@given(st.integers(0, 2**32 - 1).map(lambda number: f"http://{number}/v1"))
def test_a_decimal_host_is_judged_as_the_address_it_is(url: str) -> None:
    number = int(url.removeprefix("http://").removesuffix("/v1"))
    dotted = socket.inet_ntoa(number.to_bytes(4, "big"))
    assert _passes(url) == _passes(f"http://{dotted}/v1") == _passes(f"http://[::ffff:{dotted}]/v1")


@given(st.text(max_size=60).map(lambda text: f"http://{text}"))
def test_no_text_raises_anything_but_a_value_error(url: str) -> None:
    try:
        assert check_backend_url(url, allow_private=True).startswith("http://")
    except ValueError as error:
        assert str(error)  # noqa: PT017 — most texts are refused, some are addresses


def _passes(url: str) -> bool:
    try:
        check_backend_url(url, allow_private=False)
    except ValueError:
        return False
    return True
