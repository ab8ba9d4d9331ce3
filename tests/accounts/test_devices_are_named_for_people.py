"""Promise: the list of sessions names browsers and systems as people know them, and anything else by what it calls itself."""

from __future__ import annotations

import pytest

from apps.accounts.user_agents import describe, is_handheld

SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"


@pytest.mark.parametrize(
    ("user_agent", "words", "handheld"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
            "Chrome on Windows",
            False,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0",
            "Edge on Windows",
            False,
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14.6; rv:131.0) Gecko/20100101 Firefox/131.0", "Firefox on macOS", False),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI} Safari/605.1.15", "Safari on macOS", False),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1", "Safari on iPhone", True),
        (f"Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) {SAFARI} CriOS/130.0 Mobile/15E148 Safari/604.1", "Chrome on iPad", True),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 SamsungBrowser/26.0 Chrome/122.0 Mobile Safari/537.36",
            "Samsung Internet on Android",
            True,
        ),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
            "Chrome on ChromeOS",
            False,
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 OPR/115.0",
            "Opera on Linux",
            False,
        ),
        ("curl/8.5.0", "curl", False),
        ("MyBot/1.0 (+https://example.com)", "MyBot/1.0 (+https://example.com)", False),
        ("x" * 300, "x" * 60, False),
        ("", "An unknown program", False),
    ],
)
def test_a_name_for(user_agent: str, words: str, handheld: bool) -> None:
    assert (describe(user_agent), is_handheld(user_agent)) == (words, handheld)
