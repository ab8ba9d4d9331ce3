"""How every process of ours logs."""

from __future__ import annotations

from typing import Any


def configuration(*, line_format: str, level: str) -> dict[str, Any]:
    """For logging.config. `line_format`: lines or json; `level`: of what is written at all."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
            "json": {"()": "apps.core.logs.JsonLines"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": line_format}},
        "root": {"handlers": ["stderr"], "level": level},
        # One line per request or per outgoing call is the access log's business (the inference log has every request), and dozens per
        # receipt are nobody's.
        "loggers": {
            # By our handlers, not by their own; the inference log has every request, so that no access log is written.
            **{name: {"handlers": [], "propagate": True, "level": "INFO"} for name in ("uvicorn", "uvicorn.error")},
            "uvicorn.access": {"handlers": [], "propagate": False},
            **{
                name: {"level": "WARNING"}
                for name in ("httpx", "httpcore", "asyncio", "daphne", "django.channels.server", "stripe", "fontTools")
            },
        },
    }
