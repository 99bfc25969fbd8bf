"""Chooses how the columns of a Parquet file are written, from its first rows. Pure.

Only encodings of columns differ: every reader of Parquet sees the same values, doubles to the bit. Signals are decimals
with few digits, so a row group has few different values, whatever their number of digits, and a dictionary of them
takes one to ten bits a row. Times and sequences grow steadily within a series: only differences are written. What has
neither property is plain. BYTE_STREAM_SPLIT would shorten plain doubles by a fifth, but Spark 4 cannot read it.

https://parquet.apache.org/docs/file-format/data-pages/encodings/
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from store import layout

SAMPLE_ROWS = 16_384
_STEADY = frozenset({layout.TIME, layout.SEQUENCE})
_DELTA, _PLAIN = "DELTA_BINARY_PACKED", "PLAIN"  # Spark reads both since 3.3


@dataclass(frozen=True, slots=True)
class Encodings:
    """The columns with dictionaries, and the encoding of each of the others."""

    dictionary: list[str]
    others: dict[str, str]


def encodings(rows: pa.Table) -> Encodings:
    """The encodings for a file that begins with `rows`. Costs 10 ns for each value of the sample."""
    sample = rows.slice(0, SAMPLE_ROWS)
    dictionary = [field.name for field in rows.schema if _has_few_values(field, sample)]
    return Encodings(
        dictionary,
        {
            field.name: _DELTA if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type) else _PLAIN
            for field in rows.schema
            if field.name not in dictionary
        },
    )


def _has_few_values(field: pa.Field, sample: pa.Table) -> bool:
    """Whether a dictionary is smaller than the values: a value in it is worth about two in the column."""
    if field.name in _STEADY or pa.types.is_boolean(field.type):
        return False
    if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
        count = pc.count_distinct(sample[field.name]).as_py()
        is_constant = count <= 1 and pa.types.is_integer(field.type)  # differences have no page of their own
        return bool(count <= sample.num_rows // 2) and not is_constant
    return True  # text: the writer gives a dictionary up that gets too large
