"""The rows of a query's result as JSON, in compressed blocks: made by the query process, cut into pages here.

A block has up to a thousand rows of about a megabyte together, one line each; JSON has no line feeds. So the worker
keeps a result for further pages in a tenth of its size, and cuts a page without decoding it. Rows are written column by
column (`store.sql.texts`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from store.sql import (
    TEXTS,
    ResultSet,
    RowType,
    Scalar,
    SqlType,
    type_body,
)
from store.sql.errors import RowTooLarge
from store.sql.nested_texts import NestedForm, SeriesForm
from store.sql.texts import Lines, around, by_unique, scalar_texts, slices, with_nulls_as

PAGE_MAX_BYTES = 1_000_000  # "page ≤ 1 MB"; of the rows as JSON
_BLOCK_ROWS = 1_000
_BLOCK_BYTES = 1_000_000
_HEAD = struct.Struct("<II")  # of a block: rows, and bytes before compression
_LINE_FEED = ord("\n")
_NULL = '{"NullValue":true}'
_encoder = msgspec.json.Encoder()
_codec = pa.Codec("zstd", 1)


class Described(msgspec.Struct, frozen=True):
    """The first part: columns as the service describes them, and the size of the values."""

    columns: list[dict[str, Any]]
    size_bytes: int


_decoder = msgspec.json.Decoder(Described)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows from `first` on."""

    first: int
    count: int
    size_bytes: int
    data: bytes

    def text(self) -> bytes:
        """The rows as JSON, each with a line feed at its end."""
        data: bytes = _codec.decompress(self.data, self.size_bytes, asbytes=True)
        return data


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a page: their number, and a JSON array of them."""

    count: int
    rows: msgspec.Raw


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

    def page(self, first: int, max_rows: int | None) -> Page:
        """Rows from `first` on: at most `max_rows`, and as many as fit into a page."""
        wanted = len(self) - first if max_rows is None else min(max_rows, len(self) - first)
        found: list[bytes] = []
        count = size = 0
        for block in self.blocks:
            skipped = max(first - block.first, 0)
            if skipped >= block.count:
                continue
            if count == wanted:
                break
            text = block.text()
            ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _LINE_FEED)
            begin = 0 if not skipped else int(ends[skipped - 1]) + 1
            sizes = ends[skipped:] - begin - np.arange(block.count - skipped)  # of the rows up to each
            fitting = int(np.searchsorted(sizes, PAGE_MAX_BYTES - size, side="right"))
            taken = min(fitting, wanted - count)
            if taken:
                found.append(text[begin : int(ends[skipped + taken - 1])].replace(b"\n", b","))
                count, size = count + taken, size + int(sizes[taken - 1])
            if taken < len(sizes):
                break
        return Page(count, msgspec.Raw(b"[" + b",".join(found) + b"]"))


def parts(result: ResultSet) -> Iterator[bytes]:
    """What `rows_of` reads: a `Described`, then blocks. Raises RowTooLarge."""
    columns = [{"Name": column.name, "Type": type_body(column.type)} for column in result.columns]
    yield _encoder.encode(Described(columns, result.table.nbytes))
    kinds = [column.type for column in result.columns]
    for part in slices(result.table):
        cells = [_cells(part.column(number), kind) for number, kind in enumerate(kinds)]
        yield from _blocks(Lines.of(cells, '{"Data":[', ",", "]}\n"))


def rows_of(made: Iterable[bytes], most_bytes: int) -> Rows | None:
    """The result from its parts; None if it would take more memory than `most_bytes`."""
    taken = iter(made)
    described = _decoder.decode(next(taken))
    blocks: list[Block] = []
    first = size = 0
    for part in taken:
        count, size_bytes = _HEAD.unpack_from(part)
        blocks.append(Block(first, count, size_bytes, part[_HEAD.size :]))
        first += count
        size += len(part)
        if size > most_bytes:
            return None
    return Rows(described, tuple(blocks))


def _blocks(lines: Lines) -> Iterator[bytes]:
    if len(lines.data) > PAGE_MAX_BYTES and int(np.diff(lines.ends, prepend=0).max()) - 1 > PAGE_MAX_BYTES:
        raise RowTooLarge("Query aborted as max page response size has been exceeded by the output result row")
    first = begin = 0
    while first < len(lines):
        full = int(np.searchsorted(lines.ends, begin + _BLOCK_BYTES)) + 1
        last = min(first + _BLOCK_ROWS, full, len(lines))
        end = int(lines.ends[last - 1])
        yield _HEAD.pack(last - first, end - begin) + _codec.compress(lines.data[begin:end], asbytes=True)
        first, begin = last, end


def _cells(column: pa.ChunkedArray, kind: SqlType) -> pa.Array:
    if isinstance(kind, Scalar):
        return with_nulls_as(by_unique(column, partial(_scalar_cells, kind)), _NULL)
    return _FORM.texts(column.combine_chunks(), kind)


def _scalar_cells(kind: Scalar, values: pa.Array) -> pa.Array:
    return _texts(values) if kind in TEXTS else _scalars(kind, values)


def _texts(values: pa.Array) -> pa.Array:
    return pa.array([_encoder.encode({"ScalarValue": value}).decode() for value in values.to_pylist()], pa.string())


def _scalars(kind: Scalar, values: pa.Array) -> pa.Array:
    return around('{"ScalarValue":"', scalar_texts(values, kind), '"}')  # nothing in them needs to be escaped


def _row(kind: RowType) -> list[str]:
    return ['{"RowValue":{"Data":[', *[","] * (len(kind.fields) - 1), "]}}"]


_FORM = NestedForm(
    _scalar_cells,
    _NULL,
    ('{"ArrayValue":[', "]}"),
    _row,
    SeriesForm(('{"TimeSeriesValue":[', "]}"), ('{"Time":"', '","Value":', "}")),
)
