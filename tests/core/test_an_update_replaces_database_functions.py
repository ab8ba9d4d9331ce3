"""Promise: an update loads its database functions over those of any older version, also where they return other columns."""

from __future__ import annotations

import pytest
from django.db import connection

from apps.core.database_functions import TABLE_FUNCTIONS, load_database_functions

RESULTS = """SELECT p.oid::regprocedure::text, pg_get_function_result(p.oid) FROM pg_proc p
  WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1"""


def results() -> list[tuple[str, str]]:
    """Every function and what it returns."""
    with connection.cursor() as cursor:
        cursor.execute(RESULTS)
        return cursor.fetchall()


@pytest.mark.django_db
def test_functions_that_returned_other_columns() -> None:
    now = results()
    with connection.cursor() as cursor:
        cursor.execute(TABLE_FUNCTIONS)
        functions = [name for (name,) in cursor.fetchall()]
        assert any(name.startswith("gateway_admit(") for name in functions)
        for name in functions:
            cursor.execute(f"DROP FUNCTION {name}")
            cursor.execute(f"CREATE FUNCTION {name} RETURNS TABLE (what_it_was int) LANGUAGE sql AS 'SELECT 1'")
    assert results() != now
    load_database_functions()
    assert results() == now
