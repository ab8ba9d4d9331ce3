"""Static files out of the source folders, straight from the ASGI root: no copying step, no thread hop, no disk after the first time.

`{% static "build/app.css" %}` writes `/static/build/app.css?v=DIGEST`. Whoever asks with the digest of what is there may keep the
answer for ever; everybody else is told to ask again (and gets 304 while nothing has changed). Text is sent compressed: what
esbuild made has its compressed forms beside it (build.mjs), the rest is compressed when it is first asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import os
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

FOREVER = b"public, max-age=31536000, immutable"
ASK_AGAIN = b"no-cache"
COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")
SMALLEST_COMPRESSED = 512  # bytes
HASHED_NAMES = "build/chunks/"  # a change gives these another name
LONGEST_NAME = 200
NO_FILE_HAS = frozenset("\\\0")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent: `bodies` by Content-Encoding, the plain one under the empty name."""

    content_type: str
    version: str
    bodies: dict[bytes, bytes]


class VersionedStorage(StaticFilesStorage):
    """Addresses of static files, with the digest of what is there."""

    def url(self, name: str | None) -> str:
        address = super().url(name)
        found = load(name) if name else None
        return f"{address}?v={found.version}" if found else address


def load(name: str) -> StaticFile | None:
    """The file of this name in any app's or the project's static folder; None when there is none.

    Kept in memory; read again only when the file has changed, which in production it does not.
    """
    if not name or len(name) > LONGEST_NAME or NO_FILE_HAS & set(name) or name.startswith("/") or ".." in name.split("/"):
        return None
    try:
        path = _find(name)
    except FileNotFoundError:
        return None
    try:
        state = os.stat(path)
    except FileNotFoundError:
        _find.cache_clear()  # it is gone, or another folder has it now
        return None
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=512)
def _find(name: str) -> str:
    """Raises FileNotFoundError, which is not kept: the file may come."""
    path = finders.find(name)
    if not isinstance(path, str) or not os.path.isfile(path):
        raise FileNotFoundError(name)
    return path


@lru_cache(maxsize=512)
def _read(path: str, changed_ns: int, size: int) -> StaticFile:
    content = Path(path).read_bytes()
    content_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    bodies = {b"": content}
    if content_type.startswith(COMPRESSIBLE):
        if size >= SMALLEST_COMPRESSED:
            beside = Path(f"{path}.gz")
            bodies[b"gzip"] = beside.read_bytes() if beside.exists() else gzip.compress(content, 9, mtime=0)
        if (better := Path(f"{path}.br")).exists():
            bodies[b"br"] = better.read_bytes()
        content_type += "; charset=utf-8"
    return StaticFile(content_type, hashlib.sha256(content).hexdigest()[:12], bodies)


def is_static_path(path: str) -> bool:
    return path.startswith(settings.STATIC_URL)


async def serve(scope: MutableMapping[str, Any], send: Send) -> None:
    """Answer GET or HEAD for a path under STATIC_URL."""
    if scope["method"] not in ("GET", "HEAD"):
        await _answer(send, 405, [(b"allow", b"GET, HEAD")], b"")
        return
    name = scope["path"].removeprefix(settings.STATIC_URL)
    found = await sync_to_async(load, thread_sensitive=False)(name)
    if found is None:
        await _answer(
            send, 404, [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", ASK_AGAIN)], b"There is no such file.\n"
        )
        return
    given = dict(scope["headers"])
    etag = f'"{found.version}"'.encode()
    version = parse_qs(scope["query_string"].decode("latin-1")).get("v", [""])[-1]
    current = version == found.version or name.startswith(HASHED_NAMES)
    headers: Headers = [
        (b"cache-control", FOREVER if current else ASK_AGAIN),
        (b"etag", etag),
        (b"vary", b"accept-encoding"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if etag in given.get(b"if-none-match", b""):
        await _answer(send, 304, headers, b"")
        return
    encoding = next((one for one in (b"br", b"gzip") if one in found.bodies and one in given.get(b"accept-encoding", b"")), b"")
    body = found.bodies[encoding]
    headers += [(b"content-type", found.content_type.encode()), (b"content-length", b"%d" % len(body))]
    if encoding:
        headers.append((b"content-encoding", encoding))
    await _answer(send, 200, headers, b"" if scope["method"] == "HEAD" else body)


async def _answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
