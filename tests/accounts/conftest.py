"""An identity provider of the tests' own in place of Google and GitHub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.google import views as google
from pytest_django import Settings

from akashml import oauth
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET, FakeIdentityProvider


@pytest.fixture
def provider(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIdentityProvider]:
    """Both providers are set up, and are here. Fails the test when the site asked for what a real one would turn down."""
    with FakeIdentityProvider() as running:
        for name in ("GOOGLE", "GITHUB"):
            monkeypatch.setenv(f"{name}_CLIENT_ID", CLIENT_ID)
            monkeypatch.setenv(f"{name}_CLIENT_SECRET", CLIENT_SECRET)
            monkeypatch.setenv(f"{name}_OAUTH_BASE", running.url)
        settings.SOCIALACCOUNT_PROVIDERS = oauth.providers()
        # allauth reads the addresses when it is imported.
        addresses = settings.SOCIALACCOUNT_PROVIDERS["google"]
        monkeypatch.setattr(google.GoogleOAuth2Adapter, "authorize_url", addresses["AUTHORIZE_URL"])
        monkeypatch.setattr(google.GoogleOAuth2Adapter, "access_token_url", addresses["ACCESS_TOKEN_URL"])
        monkeypatch.setattr(google, "CERTS_URL", addresses["CERTS_URL"])
        monkeypatch.setattr(google, "ID_TOKEN_ISSUER", addresses["ID_TOKEN_ISSUER"])
        github = settings.SOCIALACCOUNT_PROVIDERS["github"]["GITHUB_URL"]
        monkeypatch.setattr(GitHubOAuth2Adapter, "access_token_url", f"{github}/login/oauth/access_token")
        monkeypatch.setattr(GitHubOAuth2Adapter, "authorize_url", f"{github}/login/oauth/authorize")
        monkeypatch.setattr(GitHubOAuth2Adapter, "profile_url", f"{github}/api/v3/user")
        monkeypatch.setattr(GitHubOAuth2Adapter, "emails_url", f"{github}/api/v3/user/emails")
        yield running
        assert running.refused == []
