"""Where a server that we call may be, whose address somebody wrote down: outside of private networks, unless that is allowed.

`check_server_url` judges an address when it is written down; `refuse_private_address` judges the IP address when a
connection is opened, because a name may point elsewhere by then. `Rules` are those of one kind of server.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_URL = 500
# A host that ends in a number is an IPv4 address or nothing; resolvers take decimal, octal (0…) and hexadecimal (0x…) numbers.
NUMERIC_HOST = re.compile(r"([^:]*\.)?(0x[0-9a-f]*|\d+)\.?", re.IGNORECASE | re.ASCII)
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"{LABEL}(\.{LABEL})*\.?", re.IGNORECASE)
PRIVATE_SUFFIXES = ("localhost", "localdomain", "local", "internal", "home.arpa")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Azure's host agent answers on a public address that only virtual machines can reach.
HOST_AGENTS = {ipaddress.IPv4Address("168.63.129.16")}


@dataclass(frozen=True, slots=True)
class Rules:
    """`private`: addresses inside private networks are allowed. `refusal` ends the sentence that refuses one. `example` shows the form of
    an address. `query`: it may have one."""

    private: bool
    refusal: str
    example: str
    schemes: tuple[str, ...] = ("http", "https")
    query: bool = False


def check_server_url(url: str, rules: Rules) -> str:
    """The address as it was given. ValueError says what is wrong with it.

    A name that cannot be resolved now passes: it is judged again whenever a connection is opened.
    """
    if len(url) > LONGEST_URL or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise ValueError(f"write an address of at most {LONGEST_URL} ASCII characters without spaces (host names in their xn-- form)")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"this is not an address: write it like {rules.example}") from None
    host = parts.hostname or ""
    if parts.scheme not in rules.schemes or not host:
        raise ValueError(f"the address must start with {' or '.join(f'{scheme}://' for scheme in rules.schemes)} and name a host")
    if "@" in parts.netloc:
        raise ValueError("the address must not carry a user name or password")
    if "#" in url or ("?" in url and not rules.query):
        raise ValueError("the address must not have " + ("" if rules.query else "a query ('?') or ") + "a fragment ('#')")
    if port == 0:
        raise ValueError("port 0 is not a port")
    literal = _literal_address(host)
    if literal is None and not HOST_NAME.fullmatch(host):
        raise ValueError(f"{host!r} is not a host name or an IP address")
    if not rules.private:
        _refuse_private_host(host, literal, rules)
    return url


def refuse_private_address(ip: str, rules: Rules) -> None:
    """Judge an IP address that is about to be connected to. ValueError when it is private and that is not allowed."""
    if not rules.private and _is_private(ipaddress.ip_address(ip.partition("%")[0])):
        raise ValueError(f"the server's address {rules.refusal}")


def refuse_private_spelling(url: str, allow_private: bool) -> None:
    """Judge an address that another server will fetch by what it says, without asking anybody. ValueError when it names no host, or one
    inside a private network and that is not allowed."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if not host:
        raise ValueError("this is not an address with a host")
    if not allow_private and _is_spelled_private(host, _literal_address(host)):
        raise ValueError(f"{host!r} is inside a private network")


def _is_spelled_private(host: str, literal: IPAddress | None) -> bool:
    name = host.rstrip(".").lower()
    named = any(name == suffix or name.endswith(f".{suffix}") for suffix in PRIVATE_SUFFIXES)
    return named or (literal is not None and _is_private(literal))


def _refuse_private_host(host: str, literal: IPAddress | None, rules: Rules) -> None:
    if _is_spelled_private(host, None):
        raise ValueError(f"{host!r} {rules.refusal}")
    addresses = [literal] if literal else _resolve(host)
    if any(_is_private(address) for address in addresses):
        raise ValueError(f"{host!r} {rules.refusal}")


def _literal_address(host: str) -> IPAddress | None:
    """The address that `host` spells, in any form a resolver would accept; None for a name."""
    if NUMERIC_HOST.fullmatch(host):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
        except OSError:
            raise ValueError(f"{host!r} is not an IP address") from None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _resolve(host: str) -> list[IPAddress]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _is_private(address: IPAddress) -> bool:
    """Anything but a unicast address of the public internet, also when it is wrapped into an IPv6 address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return _is_private(inner)
        if address.is_site_local:
            return True
    return not address.is_global or address.is_multicast or address.is_reserved or address in HOST_AGENTS


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to this IPv6 address end up at: mapped, NAT64, 6to4 or Teredo."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
