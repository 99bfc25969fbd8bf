"""Converts measures of records to the present types: records that were in the log when a measure was retyped.

The rules are those for stored rows (`store.catalog.present`): values that cannot be converted get the sibling name.
"""

# ruff: noqa: S608 - SQL is put together here, from expressions over generated names

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from store.catalog.present import as_type, sibling
from store.engine.duck import Duck, run
from store.record import MeasureType, RecordBatch


def recast(batch: RecordBatch, now: Mapping[str, MeasureType], duck: Duck) -> RecordBatch:
    """`batch` with every measure of `now` in its type there; unchanged if all are."""
    old = {name: kind for name, kind in batch.types.items() if name in batch.measures and now.get(name, kind) != kind}
    if not old:
        return batch
    measures, types = dict(batch.measures), dict(batch.types)
    cursor = duck.cursor()
    try:
        for name, kind in old.items():
            values = batch.measures[name]
            cursor.register("old_values", pa.table({"v": _plain(values)}))
            cast = as_type("v", kind, now[name])
            found = run(cursor, f"SELECT {cast} AS cast, CASE WHEN {cast} IS NULL THEN v END AS rest FROM old_values")
            measures[name], types[name] = found["cast"].combine_chunks().cast(now[name].arrow), now[name]
            other = sibling(name, kind)
            if found["rest"].null_count < len(values) and other not in measures and now.get(other, kind) is kind:
                measures[other], types[other] = found["rest"].combine_chunks().cast(kind.arrow), kind
    finally:
        cursor.close()
    return replace(batch, measures=measures, types=types)


def _plain(values: pa.Array) -> pa.Array:
    return values.view(pa.int64()) if pa.types.is_timestamp(values.type) else values
