"""Log-in with Google and GitHub, as allauth's SOCIALACCOUNT_PROVIDERS, read from the environment."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from akashml import env


def providers() -> dict[str, Any]:
    """Both providers, each with the client that its variables name; without a client there is no button.

    Raises ImproperlyConfigured for half a client.
    """
    return {
        "google": {"APPS": _client("GOOGLE"), "OAUTH_PKCE_ENABLED": True, **_google_addresses()},
        "github": {"APPS": _client("GITHUB"), "OAUTH_PKCE_ENABLED": True, **_github_addresses()},
    }


def bases() -> dict[str, str]:
    """Where a provider is, when not where it usually is: a GitHub Enterprise of your own, or a stand-in for tests."""
    found = {name: env.url(f"{name}_OAUTH_BASE", "", ["http", "https"]) for name in ("GOOGLE", "GITHUB")}
    return {name: base for name, base in found.items() if base}


def _client(name: str) -> list[dict[str, str]]:
    client_id, secret = env.text(f"{name}_CLIENT_ID"), env.text(f"{name}_CLIENT_SECRET")
    if bool(client_id) != bool(secret):
        raise ImproperlyConfigured(f"{name}_CLIENT_ID and {name}_CLIENT_SECRET belong together: set both, or neither.")
    return [{"client_id": client_id, "secret": secret}] if client_id else []


def _google_addresses() -> dict[str, str]:
    base = bases().get("GOOGLE")
    if not base:
        return {}
    return {
        "AUTHORIZE_URL": f"{base}/o/oauth2/v2/auth",
        "ACCESS_TOKEN_URL": f"{base}/token",
        "CERTS_URL": f"{base}/oauth2/v1/certs",
        "ID_TOKEN_ISSUER": base,
    }


def _github_addresses() -> dict[str, str]:
    base = bases().get("GITHUB")
    return {"GITHUB_URL": base} if base else {}
