"""Asking servers whose address somebody wrote down, at the very addresses that were judged."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from apps.core.server_urls import Rules, refuse_private_address


async def open_checked(
    client: httpx.AsyncClient, method: str, url: str, rules: Rules, headers: Mapping[str, str], content: bytes | None = None
) -> httpx.Response:
    """The answer of the first address of the host that takes connections, its body not read yet: read at most so much of it, and close it.

    The name is resolved here, and the addresses that were judged are connected to: a name server that answers differently the second
    time gains nothing. Redirects are not followed, unless the client does. Raises ValueError for a private address, and what httpx raises.
    """
    target, last_error = httpx.URL(url), None
    for address in await _addresses(target):
        refuse_private_address(address, rules)
        request = client.build_request(
            method,
            target.copy_with(host=address),
            headers={**headers, "Host": urlsplit(url).netloc},
            content=content,
            extensions={"sni_hostname": target.host},
        )
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectError as error:
            last_error = error
    assert last_error is not None, "a resolved host has an address"
    raise last_error


def caused_by_tls(error: BaseException) -> bool:
    """The client library wraps what went wrong, twice."""
    cause = error.__cause__ or error.__context__
    return isinstance(error, ssl.SSLError) or (cause is not None and caused_by_tls(cause))


async def _addresses(url: httpx.URL) -> list[str]:
    port = url.port or (443 if url.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
