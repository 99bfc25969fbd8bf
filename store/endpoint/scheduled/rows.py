"""The rows of a result as texts, as records of WriteRecords have them: encoded by the query process, read here.

Times are whole nanoseconds since 1970. A part is up to 500 rows, compressed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec
import pyarrow as pa

from store.sql import ResultSet

ROWS_PER_PART = 500

_decoder = msgspec.json.Decoder(list[dict[str, str | None]])


def encoded_rows(result: ResultSet, columns: Collection[str]) -> Iterator[bytes]:
    """The size of the whole result in bytes, then the values of these columns, all of scalar types, by name."""
    yield str(result.table.nbytes).encode()
    numbers = [number for number, column in enumerate(result.columns) if column.name in columns]
    names = [result.columns[number].name for number in numbers]
    for first in range(0, len(result) if names else 0, ROWS_PER_PART):
        part = result.table.slice(first, ROWS_PER_PART)
        values = [_texts(part.column(number)) for number in numbers]
        rows = msgspec.json.encode([dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)])
        yield len(rows).to_bytes(4) + pa.compress(rows, "zstd", asbytes=True)


def decoded_rows(part: bytes) -> list[Mapping[str, str | None]]:
    """The rows of a part."""
    rows = pa.decompress(part[4:], int.from_bytes(part[:4]), "zstd", asbytes=True)
    return list(_decoder.decode(rows))


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    return [None if value is None else str(value) for value in column.to_pylist()]
