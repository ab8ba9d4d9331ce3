"""A stand-in for Google (OpenID Connect) and GitHub (OAuth 2) on a real socket, as strict as they are with the site that asks.

    with FakeIdentityProvider() as provider:
        provider.person = Person("ada@example.com", name="Ada")   # who is logged in there and says yes
        …                                                         # GOOGLE_OAUTH_BASE=provider.url, GITHUB_OAUTH_BASE=provider.url

It answers the browser with a redirect at once; `provider.person = None` refuses, as somebody does who presses Cancel. A request that
the real ones would turn down (unknown client, another redirect address, wrong secret, PKCE that does not fit, a code used twice) is
answered with 400 and kept in `provider.refused`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

CLIENT_ID, CLIENT_SECRET = "client-of-the-tests", "secret-of-the-tests"
KEY_ID = "key-1"


@dataclass(frozen=True)
class Person:
    """Somebody with an account there. `others` are further addresses, with whether each is verified; GitHub alone tells them."""

    email: str
    verified: bool = True
    name: str = "Ada Lovelace"
    uid: str = field(default_factory=lambda: str(secrets.randbelow(10**12)))
    others: tuple[tuple[str, bool], ...] = ()


@dataclass
class Grant:
    person: Person
    redirect_uri: str
    challenge: str
    nonce: str | None


class FakeIdentityProvider:
    """`url` is where both providers are."""

    def __init__(self) -> None:
        self.person: Person | None = Person("ada@example.com")
        self.refused: list[str] = []
        self._grants: dict[str, Grant] = {}
        self._tokens: dict[str, Person] = {}
        self._key, self.certificate = _signing_key()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._handle(self, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                provider._handle(self, {name: values[-1] for name, values in parse_qs(body).items()})

            def log_message(self, *arguments: Any) -> None:
                """Nothing: the tests look at `refused`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> FakeIdentityProvider:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handle(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        parts = urlsplit(request.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        answers = {
            ("GET", "/o/oauth2/v2/auth"): lambda: self._authorize(query),
            ("GET", "/login/oauth/authorize"): lambda: self._authorize(query),
            ("POST", "/token"): lambda: self._token(form, openid=True),
            ("POST", "/login/oauth/access_token"): lambda: self._token(form, openid=False),
            ("GET", "/oauth2/v1/certs"): lambda: (200, {KEY_ID: self.certificate}),
            ("GET", "/api/v3/user"): lambda: self._github_user(request.headers.get("authorization", "")),
            ("GET", "/api/v3/user/emails"): lambda: self._github_emails(request.headers.get("authorization", "")),
        }
        answer = answers.get((request.command, parts.path))
        if answer:
            status, content = answer()
        elif parts.path == "/v1/models":  # a gateway of other tests asks after a backend that had this port before
            status, content = 404, {}
        else:
            status, content = self._refuse(f"unknown address {request.command} {parts.path}")
        body = b"" if isinstance(content, str) else json.dumps(content).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(body)))
        if isinstance(content, str):
            request.send_header("location", content)
        request.end_headers()
        request.wfile.write(body)

    def _authorize(self, query: dict[str, str]) -> tuple[int, Any]:
        if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code":
            return self._refuse(f"no client of ours: {query}")
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge") or not query.get("state"):
            return self._refuse(f"neither PKCE nor state: {query}")
        target = query["redirect_uri"]
        if self.person is None:
            return 302, f"{target}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = secrets.token_urlsafe(16)
        self._grants[code] = Grant(self.person, target, query["code_challenge"], query.get("nonce"))
        return 302, f"{target}?{urlencode({'code': code, 'state': query['state']})}"

    def _token(self, form: dict[str, str], *, openid: bool) -> tuple[int, Any]:
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None:
            return self._refuse("no such code, or used before")
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return self._refuse("wrong client or secret")
        digest = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if digest != grant.challenge or form.get("redirect_uri") != grant.redirect_uri:
            return self._refuse("PKCE or the redirect address does not fit")
        token = secrets.token_urlsafe(16)
        self._tokens[token] = grant.person
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "email"}
        return 200, answer | ({"id_token": self._id_token(grant)} if openid else {})

    def _id_token(self, grant: Grant) -> str:
        now, person = int(time.time()), grant.person
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "azp": CLIENT_ID,
            "sub": person.uid,
            "email": person.email,
            "email_verified": person.verified,
            "name": person.name,
            "given_name": person.name.partition(" ")[0],
            "family_name": person.name.partition(" ")[2],
            "iat": now,
            "exp": now + 3600,
            **({"nonce": grant.nonce} if grant.nonce else {}),
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def _github_user(self, authorization: str) -> tuple[int, Any]:
        person = self._tokens.get(authorization.partition(" ")[2])
        if person is None:
            return self._refuse("no such token")
        return 200, {
            "id": int(person.uid),
            "login": person.name.split()[0].lower(),
            "name": person.name,
            "email": None,
            "html_url": self.url,
        }

    def _github_emails(self, authorization: str) -> tuple[int, Any]:
        person = self._tokens.get(authorization.partition(" ")[2])
        if person is None:
            return self._refuse("no such token")
        others = [{"email": email, "verified": verified, "primary": False} for email, verified in person.others]
        return 200, [*others, {"email": person.email, "verified": person.verified, "primary": True}]

    def _refuse(self, why: str) -> tuple[int, Any]:
        self.refused.append(why)
        return 400, {"error": "invalid_request", "error_description": why}


def _signing_key() -> tuple[rsa.RSAPrivateKey, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "identity provider of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.PEM).decode()
