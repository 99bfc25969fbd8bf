"""The rows of a query's result as JSON, in compressed blocks: made by the query process, cut into pages here.

A block has up to a thousand rows of about a megabyte together, one line each; JSON has no line feeds. So the worker
keeps a result for further pages in a tenth of its size, and cuts a page without decoding it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from store.sql import ArrayType, ResultSet, RowType, ScalarType, SqlType, TimeSeriesType
from store.sql.errors import RowTooLarge

PAGE_MAX_BYTES = 1_000_000  # "page ≤ 1 MB"; of the rows as JSON
_BLOCK_ROWS = 1_000
_BLOCK_BYTES = 1_000_000
_COUNT = struct.Struct("<I")
_encoder = msgspec.json.Encoder()


class Described(msgspec.Struct, frozen=True):
    """The first part: columns as the service describes them, and the size of the values."""

    columns: list[dict[str, Any]]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Block:
    """Rows from `first` on."""

    first: int
    count: int
    data: bytes

    def rows(self) -> list[bytes]:
        """Each row as JSON."""
        return zlib.decompress(self.data).split(b"\n")


@dataclass(frozen=True, slots=True)
class Rows:
    """A result whose rows are kept as JSON."""

    described: Described
    blocks: tuple[Block, ...] = ()

    def __len__(self) -> int:
        return self.blocks[-1].first + self.blocks[-1].count if self.blocks else 0

    @property
    def kept_bytes(self) -> int:
        """The memory that it takes."""
        return sum(len(block.data) for block in self.blocks)

    def page(self, first: int, max_rows: int | None) -> list[msgspec.Raw]:
        """Rows from `first` on: at most `max_rows`, and as many as fit into a page."""
        found: list[msgspec.Raw] = []
        size = 0
        for block in self.blocks:
            if block.first + block.count <= first:
                continue
            for row in block.rows()[max(first - block.first, 0) :]:
                size += len(row)
                if len(found) == max_rows or size > PAGE_MAX_BYTES:
                    return found
                found.append(msgspec.Raw(row))
        return found


def parts(result: ResultSet) -> Iterator[bytes]:
    """What `rows_of` reads: a `Described`, then blocks. Raises RowTooLarge."""
    columns = [{"Name": column.name, "Type": _type(column.type)} for column in result.columns]
    yield _encoder.encode(Described(columns, result.table.nbytes))
    lines: list[bytes] = []
    size = 0
    for line in _lines(result):
        lines.append(line)
        size += len(line)
        if len(lines) == _BLOCK_ROWS or size >= _BLOCK_BYTES:
            yield _block(lines)
            lines, size = [], 0
    if lines:
        yield _block(lines)


def rows_of(made: Iterable[bytes], most_bytes: int) -> Rows | None:
    """The result from its parts; None if it would take more memory than `most_bytes`."""
    taken = iter(made)
    described = msgspec.json.decode(next(taken), type=Described)
    blocks: list[Block] = []
    first = size = 0
    for part in taken:
        (count,) = _COUNT.unpack_from(part)
        blocks.append(Block(first, count, part[_COUNT.size :]))
        first += count
        size += len(part)
        if size > most_bytes:
            return None
    return Rows(described, tuple(blocks))


def _block(lines: list[bytes]) -> bytes:
    return _COUNT.pack(len(lines)) + zlib.compress(b"\n".join(lines), 1)


def _lines(result: ResultSet) -> Iterator[bytes]:
    kinds = [column.type for column in result.columns]
    for first in range(0, len(result), _BLOCK_ROWS):
        for row in result.rows(first, _BLOCK_ROWS):
            line = _encoder.encode({"Data": _data(row, kinds)})
            if len(line) > PAGE_MAX_BYTES:
                raise RowTooLarge("Query aborted as max page response size has been exceeded by the output result row")
            yield line


def _data(values: Iterable[Any], kinds: Iterable[SqlType]) -> list[dict[str, object]]:
    return [_datum(value, kind) for value, kind in zip(values, kinds, strict=True)]


def _datum(value: Any, kind: SqlType) -> dict[str, object]:
    if value is None:
        return {"NullValue": True}
    match kind:
        case ArrayType():
            return {"ArrayValue": [_datum(element, kind.element) for element in value]}
        case RowType():
            return {"RowValue": {"Data": _data(value, [field for _, field in kind.fields])}}
        case TimeSeriesType():
            return {"TimeSeriesValue": [{"Time": time, "Value": _datum(of, kind.value)} for time, of in value]}
        case _:
            return {"ScalarValue": value}


def _type(kind: SqlType) -> dict[str, object]:
    match kind:
        case ArrayType():
            return {"ArrayColumnInfo": {"Type": _type(kind.element)}}
        case RowType():
            return {"RowColumnInfo": [_field(name, field) for name, field in kind.fields]}
        case TimeSeriesType():
            return {"TimeSeriesMeasureValueColumnInfo": {"Type": _type(kind.value)}}
        case ScalarType():
            return {"ScalarType": kind.value}


def _field(name: str, kind: SqlType) -> dict[str, object]:
    return {"Name": name, "Type": _type(kind)} if name else {"Type": _type(kind)}
