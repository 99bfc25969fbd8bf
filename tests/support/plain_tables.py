"""Rows in one plain table, and results that can be compared with those of statements over it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from store.testing import Row
from tests.support.random_queries import COLUMNS, Statement

Answer = list[tuple[object, ...]]
_TYPES = {"time": pa.int64(), "t": pa.float64(), "n": pa.int64()}


def plain_table(rows: Sequence[Row], zone: str) -> pa.Table:
    """The rows, with a zone by its template."""
    made = [
        {
            **dict(row.dimensions),
            **dict(row.values),
            "time": row.time_ns,
            "measure_name": row.measure_name,
            "zone_name": zone.format(**dict(row.dimensions)),
        }
        for row in rows
    ]
    columns = {name: pa.array([of.get(name) for of in made], _TYPES.get(name, pa.string())) for name in COLUMNS}
    return pa.table(columns)


def values(found: pa.Table) -> Answer:
    """The rows of a result."""
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


def comparable(rows: Answer, statement: Statement) -> list[str]:
    """As text: NaN equals NaN, and -0.0 is 0.0."""
    texts = [repr(tuple(0.0 if value == 0 and isinstance(value, float) else value for value in row)) for row in rows]
    return texts if statement.is_ordered else sorted(texts)
