"""Our own pages of the admin site: address, view, name; and what its menu lists, with the permission that each needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.staff import account_page, operations, viewing


def pages() -> list[tuple[str, Callable[..., Any], str]]:
    return [
        ("operations/", operations.operations, "operations"),
        ("accounts/account/<int:account_id>/desk/", account_page.desk, "account-desk"),
        ("accounts/account/<int:account_id>/view/", viewing.begin_view, "begin-view"),
        ("end-view/", viewing.end_view, "end-view"),
    ]


def menu() -> list[tuple[str, str, str]]:
    return [("Dashboard", "operations", "staff.see_operations")]
