"""What both doors ask of a request before they read its body: how long is it, and is it JSON."""

from __future__ import annotations

from django.conf import settings

from apps.gateway.errors import RequestTimeout, TooLarge, Unavailable, UnsupportedMediaType


class Bodies:
    """What the bodies of this process's requests take now, in bytes: any one is small, and thousands together are not."""

    held = 0


bodies = Bodies()


def check_length(content_length: str) -> None:
    """Nothing said, or at most MAX_REQUEST_BYTES. Raises TooLarge."""
    if content_length.isascii() and content_length.isdigit() and int(content_length[:20]) > settings.MAX_REQUEST_BYTES:
        raise too_large()


def check_media_type(content_type: str) -> None:
    """JSON, or nothing said. Raises UnsupportedMediaType."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(f"Content-Type is {media_type!r}: send JSON as 'application/json'.")


def too_large() -> TooLarge:
    return TooLarge(f"The request is larger than {settings.MAX_REQUEST_BYTES} bytes.")


def too_many_bodies() -> Unavailable:
    """The rest of the body may still be on its way: the connection goes."""
    return Unavailable(
        "Many large requests are arriving just now. Try again in a moment.",
        code="overloaded",
        headers=[(b"retry-after", b"1"), (b"connection", b"close")],
    )


def too_slow() -> RequestTimeout:
    """For ASGI, where the connection can be closed: the rest of the body may still be on its way."""
    return RequestTimeout(
        f"The request's body did not arrive within {settings.BODY_TIMEOUT_S:g} s. Nothing was charged.", headers=[(b"connection", b"close")]
    )
