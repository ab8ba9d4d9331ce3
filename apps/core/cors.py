"""Cross-origin calls of the API from a browser (the Fetch standard's CORS protocol), for the origins in CORS_ORIGINS.

No cookie ever counts on these addresses, so credentials are not allowed and `*` is a sound setting for a public API.
"""

from __future__ import annotations

from django.conf import settings

ALLOWED_METHODS = "GET, HEAD, POST, OPTIONS"
# What the official SDKs send; a browser asks for each by name.
EXPOSED_HEADERS = (
    "Inference-Id, request-id, x-request-id, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, x-ratelimit-limit-requests, "
    "x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, X-Token-Count-Source"
)
PREFLIGHT_KEPT_S = 86_400


def answer_headers(origin: str) -> dict[str, str]:
    """Headers for an answer to a page of this origin; none when it is not one of ours to serve."""
    origins: list[str] = settings.CORS_ORIGINS
    if not origin or not origins:
        return {}
    if "*" in origins:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    if origin not in origins:
        return {"Vary": "Origin"}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED_HEADERS, "Vary": "Origin"}


def preflight_headers(origin: str, asked_headers: str) -> dict[str, str]:
    """Headers for the browser's question before the call; none when the origin may not call."""
    headers = answer_headers(origin)
    if "Access-Control-Allow-Origin" not in headers:
        return headers
    return {
        **headers,
        "Access-Control-Allow-Methods": ALLOWED_METHODS,
        "Access-Control-Allow-Headers": asked_headers or "authorization, content-type, x-api-key",
        "Access-Control-Max-Age": str(PREFLIGHT_KEPT_S),
    }
