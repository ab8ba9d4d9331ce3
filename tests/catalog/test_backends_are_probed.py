"""Promise: a backend that answers below 500 is alive, any other is not, and probing neither leaks nor reaches into private networks."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from apps.catalog import probes
from apps.catalog.actions import save_backend
from apps.catalog.models import Backend, Model
from tests.fakes import Raw, Reply, Status, close, hang, reset
from tests.fakes.backend import FakeBackend

NAME = "tls.example.com"


async def probe(base_url: str, api_key: str = "", verify: ssl.SSLContext | bool = True) -> tuple[bool, str]:
    row = Backend(pk=0, base_url=base_url)
    row.api_key = api_key
    async with httpx.AsyncClient(timeout=probes.PROBE_S, trust_env=False, verify=verify) as client:
        return await probes.probe(client, row)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server of the test's own."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
        if host in known:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in known[host]]
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for NAME, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
async def tls_port(certificate: Path) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 429, 499])
async def test_any_answer_below_500_means_alive(backend: FakeBackend, status: int) -> None:
    backend.models = Status(status, b"")
    alive, detail = await probe(backend.base_url)
    assert alive
    assert detail.startswith(f"HTTP {status} after ")


@pytest.mark.parametrize("status", [500, 502, 503, 529])
async def test_a_server_error_means_down(backend: FakeBackend, status: int) -> None:
    backend.models = Status(status, b"")
    alive, detail = await probe(backend.base_url)
    assert not alive
    assert detail.startswith(f"HTTP {status} after ")


async def test_the_probe_asks_for_the_models_with_the_backends_key(backend: FakeBackend) -> None:
    alive, detail = await probe(backend.base_url, api_key="s3cret")
    assert alive
    [asked] = backend.other_requests
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("GET", "/v1/models", "Bearer s3cret")
    assert asked.headers["host"] == f"127.0.0.1:{backend.port}"
    assert "s3cret" not in detail


async def test_redirects_are_not_followed(backend: FakeBackend, second_backend: FakeBackend) -> None:
    backend.models = Status(302, b"", headers={"location": f"{second_backend.base_url}/models"})
    assert (await probe(backend.base_url, api_key="s3cret"))[0]
    assert second_backend.other_requests == []


async def test_refused_connections_mean_down(backend: FakeBackend) -> None:
    backend.refuse()
    assert await probe(backend.base_url) == (False, "takes no connections")


@pytest.mark.parametrize(
    "behaviour", [Raw(b"SSH-2.0-OpenSSH\r\n"), Reply(at={"before_headers": reset}), Reply(at={"before_headers": close})]
)
async def test_what_is_no_http_means_down(backend: FakeBackend, behaviour: Any) -> None:
    backend.models = behaviour
    alive, detail = await probe(backend.base_url)
    assert not alive
    assert "does not speak HTTP" in detail


async def test_silence_means_down(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PROBE_S", 0.2)
    backend.models = Reply(at={"before_headers": hang})
    assert await probe(backend.base_url) == (False, "no answer within 0.2 seconds")


async def test_an_answer_without_end_is_not_read(backend: FakeBackend) -> None:
    backend.models = Status(200, b"x" * 50_000_000)
    assert (await probe(backend.base_url))[0]
    await backend.wait_for_async(lambda: backend.other_requests[0].disconnected_at is not None)
    assert backend.other_requests[0].bytes_sent < 50_000_000


async def test_an_unknown_name_means_down() -> None:
    assert await probe("http://nowhere.invalid/v1") == (False, "its host name cannot be resolved")


async def test_a_name_that_turned_private_is_not_connected_to(
    backend: FakeBackend, names: dict[str, list[str]], settings: Settings
) -> None:
    settings.ALLOW_PRIVATE_BACKENDS = False
    names["rebound.example.com"] = ["127.0.0.1"]
    for host in ("rebound.example.com", "127.0.0.1", "2130706433"):
        alive, detail = await probe(f"http://{host}:{backend.port}/v1", api_key="s3cret")
        assert not alive
        assert "private network" in detail
    assert backend.connections == 0


async def test_the_next_address_of_a_name_is_tried_when_one_refuses(backend: FakeBackend, names: dict[str, list[str]]) -> None:
    names["two.example.com"] = ["127.0.0.2", "127.0.0.1"]
    alive, _ = await probe(f"http://two.example.com:{backend.port}/v1")
    assert alive
    assert backend.other_requests[0].headers["host"] == f"two.example.com:{backend.port}"


async def test_tls_is_checked_against_the_name_and_not_the_address(tls_port: int, certificate: Path, names: dict[str, list[str]]) -> None:
    names[NAME] = names["other.example.com"] = ["127.0.0.1"]
    trusting = ssl.create_default_context(cafile=str(certificate))
    assert (await probe(f"https://{NAME}:{tls_port}/v1", verify=trusting))[0]
    failed = (False, "TLS failed: is its certificate valid?")
    assert await probe(f"https://other.example.com:{tls_port}/v1", verify=trusting) == failed
    assert await probe(f"https://{NAME}:{tls_port}/v1") == failed


async def test_a_key_that_cannot_be_read_means_down(backend: FakeBackend) -> None:
    row = Backend(pk=0, base_url=backend.base_url, api_key_encrypted="not what we wrote")
    async with httpx.AsyncClient() as client:
        alive, detail = await probes.probe(client, row)
    assert not alive
    assert "API key" in detail
    assert backend.connections == 0


async def test_every_verdict_is_written_where_gateways_read_it(model: Model, backend: FakeBackend, second_backend: FakeBackend) -> None:
    second_backend.models = Status(500)
    rows = [(await sync_to_async(save_backend)(model, each.base_url, {}))[0] for each in (backend, second_backend)]
    inactive, _ = await sync_to_async(save_backend)(model, f"{backend.base_url}/off", {"is_active": False})
    await probes.probe_backends()
    for row in (*rows, inactive):
        await row.arefresh_from_db()
    assert [row.probe_ok for row in (*rows, inactive)] == [True, False, None]
    assert rows[0].probed_at is not None
    assert rows[1].probe_detail.startswith("HTTP 500")
    assert inactive.probed_at is None
