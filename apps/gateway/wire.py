"""Columns of values as Postgres' binary arrays (`array_send` in its source), for the statements of the hot path.

A batch goes out as one array for each column. psycopg makes such arrays element by element in Python; a column of one type is packed
here by one call of `struct`, which takes a twentieth of the time.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

# Object ids of element types (pg_type.dat).
BOOL, INT8, INT2, INT4, TEXT, UUID_ = 16, 20, 21, 23, 25, 2950

_head = struct.Struct(">iiiii").pack  # dimensions, has nulls, element type, length, first index
_NULL = b"\xff\xff\xff\xff"
_length = struct.Struct(">i").pack
_LENGTH_OF_UUID = _length(16)
_TRUE, _FALSE = b"\0\0\0\1\1", b"\0\0\0\1\0"


@lru_cache(maxsize=1024)
def _packer(code: str, count: int) -> struct.Struct:
    return struct.Struct(">" + f"i{code}" * count)


def _numbers(values: Sequence[int | None], code: str, size: int, element: int) -> bytes:
    head = _head(1, 0, element, len(values), 1)
    if None in values:
        one = _packer(code, 1).pack
        return head + b"".join([_NULL if value is None else one(size, value) for value in values])
    fields = [size] * (2 * len(values))
    fields[1::2] = values  # type: ignore[assignment]  # no None among them
    return head + _packer(code, len(values)).pack(*fields)


def bigints(values: Sequence[int | None]) -> bytes:
    """`bigint[]`. Raises struct.error for what does not fit, as the next two do."""
    return _numbers(values, "q", 8, INT8)


def integers(values: Sequence[int | None]) -> bytes:
    """`integer[]`."""
    return _numbers(values, "i", 4, INT4)


def smallints(values: Sequence[int | None]) -> bytes:
    """`smallint[]`."""
    return _numbers(values, "h", 2, INT2)


def booleans(values: Sequence[bool]) -> bytes:
    """`boolean[]`."""
    return _head(1, 0, BOOL, len(values), 1) + b"".join([_TRUE if value else _FALSE for value in values])


def uuids(values: Sequence[UUID]) -> bytes:
    """`uuid[]`."""
    return _head(1, 0, UUID_, len(values), 1) + b"".join([_LENGTH_OF_UUID + value.int.to_bytes(16, "big") for value in values])


def texts(values: Sequence[str]) -> bytes:
    """`text[]`."""
    encoded = [value.encode() for value in values]
    return _head(1, 0, TEXT, len(values), 1) + b"".join([_length(len(value)) + value for value in encoded])


def bigint(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def boolean(value: bool) -> bytes:
    return b"\1" if value else b"\0"
