"""Promise: what browsers load is small, compressed, kept for ever under its address, and renewed under a new one when it changes."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.templatetags.static import static

from apps.core import static_files
from tests.gateway.processes import GatewayProcess, gateways_running

LIMIT_BYTES = 150_000
# What comes with an answer that has code or formulas in it, and never before.
ON_DEMAND = ("highlight-", "typeset-")
ON_DEMAND_BYTES = 60_000
BUILD = Path(settings.BASE_DIR) / "static" / "build"
APP = "build/app.css"


@pytest.fixture(scope="module")
def pages() -> Iterator[GatewayProcess]:
    with gateways_running(1, SERVE="pages") as [process]:
        yield process


@pytest.fixture
def client(pages: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=pages.url) as client:
        yield client


def test_script_and_style_of_a_page_stay_small() -> None:
    """Of the page that needs most, if it needed every chunk there is but those that an answer's content calls for."""
    for kind in ("br", "gz"):
        shared = [BUILD / f"{name}.{kind}" for name in ("theme.js", "app.js", "shell.js", "app.css")]
        every, pages = list(BUILD.glob(f"chunks/*.{kind}")), BUILD.glob(f"pages/*.{kind}")
        late = [path for path in every if path.name.startswith(ON_DEMAND)]
        assert len(late) == len(ON_DEMAND)
        assert all(path.stat().st_size < ON_DEMAND_BYTES for path in late)
        chunks = [path for path in every if path not in late]
        total = sum(path.stat().st_size for path in [*shared, *chunks]) + max(path.stat().st_size for path in pages)
        assert total < LIMIT_BYTES


def test_the_address_on_a_page_may_be_kept_for_ever(client: httpx.Client) -> None:
    page = client.get("/").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) >= 4
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("query", ["", "?v=000000000000", "?v="])
def test_any_other_address_is_asked_again(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/static/{APP}{query}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get(f"/static/{APP}{query}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize(("accepted", "encoding"), [("br, gzip", "br"), ("gzip", "gzip"), ("identity", None)])
def test_text_is_compressed_as_the_browser_likes(client: httpx.Client, accepted: str, encoding: str | None) -> None:
    with client.stream("GET", f"/static/{APP}", headers={"accept-encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "accept-encoding"
    assert int(answer.headers["content-length"]) == len(raw)
    if encoding == "gzip":
        assert gzip.decompress(raw) == (BUILD / "app.css").read_bytes()


def test_the_admins_files_are_served_too(client: httpx.Client) -> None:
    answer = client.get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "nothing.css",
        "",
        "build",
        "build/",
        "../manage.py",
        "..%2fmanage.py",
        "%2e%2e/akashml/settings.py",
        "//etc/passwd",
        "%00",
        "a%5c..%5cb",
        "x" * 3000,
    ],
)
def test_nothing_else_is_served(client: httpx.Client, path: str) -> None:
    assert client.get(f"/static/{path}").status_code in (400, 404)


def test_only_reading_is_allowed(client: httpx.Client) -> None:
    assert client.post(f"/static/{APP}").status_code == 405
    head = client.head(f"/static/{APP}")
    assert head.status_code == 200
    assert head.content == b""


def test_a_gateway_process_serves_none() -> None:
    with gateways_running(1, SERVE="gateway") as [process]:
        assert httpx.get(f"{process.url}/static/{APP}").status_code == 404


def test_a_change_gives_a_new_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "own.css"
    monkeypatch.setattr(static_files.finders, "find", lambda name: str(file) if name == "own.css" else None)
    static_files._find.cache_clear()
    try:
        assert static("own.css") == "/static/own.css"  # not there yet: no reason for a page to fail
        file.write_text("a { color: red }")
        first = staticfiles_storage.url("own.css")
        file.write_text("a { color: blue }")
        assert re.fullmatch(r"/static/own\.css\?v=[0-9a-f]{12}", first)
        assert staticfiles_storage.url("own.css") not in (first, "/static/own.css")
    finally:
        static_files._find.cache_clear()


def test_pages_are_compressed_and_no_two_alike(client: httpx.Client) -> None:
    sizes = set()
    for _ in range(5):
        with client.stream("GET", "/accounts/login/", headers={"accept-encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["vary"]
        assert "<!doctype html>" in gzip.decompress(raw).decode()
        sizes.add(len(raw))
    assert len(sizes) > 1  # of random length, so that it does not tell how well a guess compressed with a secret
    assert "content-encoding" not in client.get("/accounts/login/", headers={"accept-encoding": "identity"}).headers
    assert "content-encoding" not in client.get("/v1/models", headers={"accept-encoding": "gzip"}).headers
