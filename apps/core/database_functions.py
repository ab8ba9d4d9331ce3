"""Loads the database functions kept as `apps/<app>/sql/*.sql` after every `migrate`.

Functions are code: a file holds the one current definition, its history is git's. Tables, triggers and types are state and live
in migrations. The files run in the order of INSTALLED_APPS, then by name, in one transaction, so that nobody sees half of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections, transaction


def sql_files() -> list[Path]:
    """Every function file of the project's own apps, in the order in which they may refer to each other."""
    configs = [config for config in apps.get_app_configs() if config.name.startswith("apps.")]
    return [path for config in configs for path in sorted(Path(config.path).glob("sql/*.sql"))]


def load_database_functions(using: str = "default", **_: Any) -> None:
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        for path in sql_files():
            cursor.execute(path.read_text())
