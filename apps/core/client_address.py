"""Where a request comes from."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(peer: str, forwarded_for: str) -> str:
    """The client's address: the peer, or, behind TRUSTED_PROXIES proxies of ours, what the outermost of them saw."""
    if settings.TRUSTED_PROXIES and forwarded_for:
        hops = [hop.strip() for hop in forwarded_for.split(",")]
        return hops[-min(settings.TRUSTED_PROXIES, len(hops))]
    return peer


def ip_of(request: HttpRequest) -> str | None:
    """The client's IP address in its standard form; None where there is none (a unix socket, a proxy that sends something else)."""
    address = client_address(request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR") or "")
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None
