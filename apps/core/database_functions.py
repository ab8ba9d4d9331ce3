"""Loads the database functions kept as `apps/<app>/sql/*.sql` after every `migrate`.

Functions are code: a file holds the one current definition, its history is git's. Tables, triggers and types are state and live
in migrations. The files run in the order of INSTALLED_APPS, then by name, in one transaction, so that nobody sees half of them.

Functions that return a table are dropped first: CREATE OR REPLACE refuses to change the columns of a table that an older version left.
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


TABLE_FUNCTIONS = """SELECT p.oid::regprocedure::text FROM pg_proc p
  WHERE p.pronamespace = 'public'::regnamespace AND 't' = ANY (p.proargmodes)
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"""  # those of an extension are not ours


def load_database_functions(using: str = "default", **_: Any) -> None:
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute(TABLE_FUNCTIONS)
        for (signature,) in cursor.fetchall():
            cursor.execute(f"DROP FUNCTION {signature}")
        for path in sql_files():
            cursor.execute(path.read_text())
