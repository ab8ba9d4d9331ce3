"""The guide's pages as they are shown: each rendered once, and again when its file changes; with the day of its last change."""

from __future__ import annotations

import logging
import subprocess
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.dashboard.docs.markdown import Document, render

log = logging.getLogger(__name__)

FOLDER: Path = settings.BASE_DIR / "docs" / "site"
PLACES = ("docs/site", "docs/guide")  # where the pages lie, and where they lay before
GIT_TIMEOUT_S = 10
WRITTEN = "http://127.0.0.1:8000"  # what the samples call


def document(slug: str) -> Document:
    """A page by its slug. FileNotFoundError when there is none."""
    return _rendered(slug, (FOLDER / f"{slug}.md").stat().st_mtime_ns)


def changed(slug: str) -> datetime | None:
    """When a page was last changed; None where no repository can tell."""
    return _changes().get(slug)


@lru_cache(maxsize=256)
def _rendered(slug: str, stamp: int) -> Document:
    addresses = {f"{WRITTEN}/v1": f"{settings.API_BASE_URL}/v1", f"{WRITTEN}/anthropic": f"{settings.API_BASE_URL}/anthropic"}
    addresses[f"{WRITTEN}/api/"] = f"{settings.BASE_URL}/api/"
    return render((FOLDER / f"{slug}.md").read_text(encoding="utf-8"), addresses)


@cache
def _changes() -> dict[str, datetime]:
    """Slug → time of the newest commit that changed its text, asked of git once a process: pages only change with an upgrade.

    Moving a page is no change of it.
    """
    asked = ["git", "log", "--find-renames", "--diff-filter=AM", "--format=%x00%cI", "--name-only", "--", *PLACES]
    options: dict[str, Any] = {"cwd": settings.BASE_DIR, "capture_output": True, "text": True, "timeout": GIT_TIMEOUT_S}
    try:
        told = subprocess.run(asked, check=True, **options).stdout  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError) as error:
        log.info("pages of the documentation have no dates: git cannot tell them (%s)", type(error).__name__)
        return {}
    changes: dict[str, datetime] = {}
    for commit in told.split("\0")[1:]:
        when, *files = commit.split()
        for file in files:
            changes.setdefault(Path(file).stem, datetime.fromisoformat(when))
    return changes
