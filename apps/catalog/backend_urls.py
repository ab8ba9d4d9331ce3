"""Where a backend may be: an http(s) address that, unless the operator allows it, is not inside a private network."""

from __future__ import annotations

from apps.core import server_urls
from apps.core.server_urls import Rules


def rules(allow_private: bool) -> Rules:
    return Rules(allow_private, "is inside a private network; set ALLOW_PRIVATE_BACKENDS=1 to allow that", "https://host:port/v1")


def check_backend_url(url: str, allow_private: bool) -> str:
    """The address without a trailing slash. ValueError says what is wrong with it.

    A name that cannot be resolved now passes: it is judged again whenever a connection is opened.
    """
    return server_urls.check_server_url(url, rules(allow_private)).rstrip("/")


def refuse_private_address(ip: str, allow_private: bool) -> None:
    """Judge an IP address that is about to be connected to. ValueError when it is private and that is not allowed."""
    server_urls.refuse_private_address(ip, rules(allow_private))


def refuse_private_spelling(url: str, allow_private: bool) -> None:
    """Judge an address that an engine will fetch by what it says, without asking anybody. ValueError when it names no host, or one
    inside a private network and that is not allowed. A name that leads there all the same is the engine's own to refuse."""
    server_urls.refuse_private_spelling(url, allow_private)
