"""The arrays that are packed by hand are those that Postgres reads: every value, null and length."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import pq

from apps.gateway import wire

COLUMNS: dict[str, tuple[Callable[[Any], bytes], st.SearchStrategy[Any]]] = {
    "bigint[]": (wire.bigints, st.none() | st.integers(-(2**63), 2**63 - 1)),
    "integer[]": (wire.integers, st.none() | st.integers(-(2**31), 2**31 - 1)),
    "smallint[]": (wire.smallints, st.none() | st.integers(-(2**15), 2**15 - 1)),
    "boolean[]": (wire.booleans, st.booleans()),
    "uuid[]": (wire.uuids, st.uuids()),
    "text[]": (wire.texts, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))),
}


def read_back(kind: str, packed: bytes) -> Sequence[Any]:
    """What Postgres makes of it."""
    connection.ensure_connection()
    pgconn = connection.connection.pgconn
    result = pgconn.exec_params(f"SELECT $1::{kind}".encode(), [packed], param_formats=[pq.Format.BINARY])
    assert result.status == pq.ExecStatus.TUPLES_OK, result.get_error_message()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}", [result.get_value(0, 0).decode()])
        return cursor.fetchone()[0]


@pytest.mark.parametrize("kind", COLUMNS)
@settings(max_examples=40)
@given(data=st.data())
def test_any_column(kind: str, data: st.DataObject) -> None:
    pack, values = COLUMNS[kind]
    column = data.draw(st.lists(values, max_size=140))
    assert list(read_back(kind, pack(column))) == column


def test_what_does_not_fit_is_refused_here() -> None:
    with pytest.raises(struct.error):
        wire.bigints([2**63])
    with pytest.raises(struct.error):
        wire.smallints([1, 2**15])


def test_single_values() -> None:
    assert struct.unpack(">q", wire.bigint(-5)) == (-5,)
    assert (wire.boolean(True), wire.boolean(False)) == (b"\1", b"\0")
    assert wire.uuids([UUID(int=1)])[-16:] == UUID(int=1).bytes
