"""The tables of an account in a query process: read from their files and from rows that a `Lender` sends.

It has the names that SQL uses, and can do nothing but read: the lender decides which account it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from store import layout
from store.catalog.schema import Column, TableSchema
from store.engine.duck import Duck, stream_of
from store.errors import QueryFailed, ResultTooLarge
from store.magnetic.data_files import DataFiles
from store.magnetic.parquet import DataFile
from store.objects.location import S3Location
from store.reading.account_tables import selection_of
from store.reading.lending import Lend, Lending, Lent, LentRows
from store.reading.partials import FIRST, LAST, Partials, partials_text, together
from store.reading.past import AsOf, with_doubles
from store.reading.rendering import Rendering, text_of_sound
from store.reading.scan import Selection, TableView, TailView
from store.reading.statistics import Counted, counted
from store.record import TableId

_RESULT_BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Read:
    """What a statement reads of a table, for each time that it names it.

    from_ns    and to_ns (exclusive): the bounds of time that were found; None: none
    dimensions the values that were found by dimension
    columns    physical names, None: all
    files      Parquet files whose times are within the bounds; with their bytes
    counted    rows of other files that were counted by their statistics
    rows       in RAM beyond these files, which were sent to the query; with their bytes
    partials   of other such rows: partial aggregates, which were sent instead
    range_ns   from the first to the last time that files and rows have within the bounds
    """

    table: TableId
    from_ns: int | None
    to_ns: int | None
    dimensions: Mapping[str, Collection[str]]
    columns: Collection[str] | None
    files: int
    size_bytes: int
    counted: int
    rows: int
    row_bytes: int
    partials: int
    range_ns: int


@dataclass(frozen=True, slots=True)
class _Source:
    """The text for a table, and what it reads. `is_merged`: it is for partial aggregates, not for rows."""

    read: Read
    sql: str
    is_merged: bool


FilesAt = Callable[[Path | S3Location], DataFiles]


class Borrowed:
    """What a lender lends, as text and results of DuckDB. A context manager; one thread uses it."""

    def __init__(self, lender: Lending, duck: Duck, files_at: FilesAt, most_bytes: int) -> None:
        """`most_bytes`: of a result, in memory."""
        self._lender = lender
        self._cursor = duck.cursor()
        self._files_at = files_at
        self._most_bytes = most_bytes
        self._rendering = Rendering(self._cursor)
        self.reads: list[Read] = []
        self._is_alone: bool | None = None
        self._sources: dict[bytes, _Source] = {}  # of what was asked: a statement may name a table many times

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cursor.close()

    def databases(self) -> list[str]:
        """See `AccountTables`."""
        return self._lender.databases()

    def tables(self, database: str) -> list[str]:
        """See `AccountTables`."""
        return self._lender.tables(database)

    def schema(self, database: str, table: str) -> TableSchema:
        """See `AccountTables`."""
        return self._lender.schema(database, table)

    def renew(self) -> bool:
        """See `AccountTables`."""
        return self._lender.renew()

    def look_for_newest(self) -> None:
        """See `AccountTables`."""
        self._lender.look_for_newest()

    def is_alone(self) -> bool:
        """See `AccountTables`."""
        if self._is_alone is None:
            self._is_alone = self._lender.is_alone()
        return self._is_alone

    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
        columns: Collection[str] | None = None,
        as_of: AsOf | None = None,
    ) -> str:
        """See `Snapshot`."""
        asked = structs.replace(_asked(table, time_from_ns, time_to_ns, dimensions, columns), as_of=as_of)
        known = self._sources.get(key := msgspec.msgpack.encode(asked))
        if known is None:
            known = self._sources[key] = self._lent(table, asked, dimensions)
        self.reads.append(known.read)
        return known.sql

    def partials(
        self,
        table: TableId,
        of: Partials,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
        columns: Collection[str] | None = None,
        known: Sequence[Column] | None = None,
    ) -> str | None:
        """The text for partial aggregates of what `source` would read; None if there are none.

        Other processes send them instead of rows. Statistics have them, without totals, of the measures `known`; None:
        they are not asked.
        """
        asked = _asked(table, time_from_ns, time_to_ns, dimensions, columns)
        found = self._lent(table, structs.replace(asked, partials=of), dimensions, known)
        if not found.is_merged:
            self._sources[msgspec.msgpack.encode(asked)] = found
            return None
        self.reads.append(found.read)
        return found.sql

    def _lent(
        self,
        table: TableId,
        asked: Lend,
        dimensions: Mapping[str, Collection[str]] | None,
        known: Sequence[Column] | None = None,
    ) -> _Source:
        selection = selection_of(asked.from_ns, asked.to_ns, dimensions)

        def source_of(lent: Lent) -> _Source:
            parts = [(of, pa.Table.from_batches(of.batches, of.schema)) for of in lent.rows]
            rows = [part for part in parts if not part[0].is_partials]
            partials = [found for of, found in parts if of.is_partials]
            view = self._view(lent, rows)
            if lent.is_past:
                view = with_doubles(self._cursor, self._rendering, view, selection)
            counts = None if known is None else counted(view, selection, known)
            is_merged = bool(partials) or (counts is not None and bool(counts.files))
            if asked.partials is None or not is_merged:
                counts, sql = None, self._rendering.text(view, selection)
            else:
                sql = self._merged(asked.partials, view, selection, counts, partials)
            read = _read_of(table, asked, dimensions or {}, lent, [found for _, found in rows], partials, counts)
            return _Source(read, sql, is_merged=is_merged)

        return text_of_sound(
            lambda: self._lender.lend(asked),
            source_of,
            lambda path: self._lender.drop_damaged(table.database, table.table, path),
        )

    def _merged(
        self,
        of: Partials,
        view: TableView,
        selection: Selection,
        counts: Counted | None,
        partials: Sequence[pa.Table],
    ) -> str:
        """The text for partial aggregates of all: of what is read here, and those that were sent."""
        if counts is None:
            texts = [partials_text(of, view.schema, self._rendering.text(view, selection))]
        else:
            texts = counts.texts(self._rendering)
        return together([*texts, *(f"FROM {self._rendering.register('partials', found)}" for found in partials)])

    def execute(self, sql: str) -> pa.Table:
        """The result of a DuckDB query over sources of this. Raises as `Snapshot` does, and ResultTooLarge."""
        try:
            return self._gathered(sql)
        except QueryFailed:
            self._lender.look_for_deleted()
            raise

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The same in batches, computed as they are taken."""
        try:
            yield from stream_of(self._cursor, sql, _RESULT_BATCH_ROWS)[1]
        except QueryFailed:
            self._lender.look_for_deleted()
            raise

    def _gathered(self, sql: str) -> pa.Table:
        schema, batches = stream_of(self._cursor, sql, _RESULT_BATCH_ROWS)
        gathered, size_bytes = [], 0
        for batch in batches:
            size_bytes += batch.nbytes
            if size_bytes > self._most_bytes:
                raise ResultTooLarge(f"the result is larger than {self._most_bytes / 2**20:g} MiB, which is the limit")
            gathered.append(batch)
        return pa.Table.from_batches(gathered, schema)

    def _view(self, lent: Lent, rows: Sequence[tuple[LentRows, pa.Table]]) -> TableView:
        return TableView(
            lent.schema,
            (),
            lent.whole_from_ns,
            lent.version,
            self._files_at(lent.location),
            lent.superseded_ns,
            lent.visible_from_ns,
            tuple(
                TailView(self._rendering.register("tail", found), frozenset(found.column_names), of.to_sequence)
                for of, found in rows
            ),
        )


def _asked(
    table: TableId,
    from_ns: int | None,
    to_ns: int | None,
    dimensions: Mapping[str, Collection[str]] | None,
    columns: Collection[str] | None,
) -> Lend:
    listed = None if dimensions is None else {name: sorted(values) for name, values in dimensions.items()}
    names = None if columns is None else sorted(columns)
    return Lend(table.database, table.table, from_ns, to_ns, listed, names)


def _read_of(
    table: TableId,
    asked: Lend,
    dimensions: Mapping[str, Collection[str]],
    lent: Lent,
    rows: Sequence[pa.Table],
    partials: Sequence[pa.Table],
    counts: Counted | None,
) -> Read:
    selection = selection_of(asked.from_ns, asked.to_ns, dimensions)
    first_ns, to_ns = max(selection.from_ns, lent.visible_from_ns), selection.to_ns
    files = lent.version.files_in(first_ns, min(to_ns, lent.whole_from_ns))
    known = {file.path for file in counts.files} if counts else set()
    read = [file for file in files if file.path not in known]
    return Read(
        table,
        asked.from_ns,
        asked.to_ns,
        dimensions,
        asked.columns,
        len(read),
        sum(file.size_bytes for file in read),
        counts.rows if counts else 0,
        sum(map(len, rows)),
        sum(part.nbytes for part in rows),
        sum(map(len, partials)),
        _range_ns(files, rows, partials, first_ns, to_ns),
    )


def _range_ns(
    files: Sequence[DataFile], rows: Sequence[pa.Table], partials: Sequence[pa.Table], from_ns: int, to_ns: int
) -> int:
    spans = [(file.from_ns, file.to_ns) for file in files]
    times = [(part[layout.TIME_NS], part[layout.TIME_NS]) for part in rows]
    for first, last in [*times, *((part[FIRST], part[LAST]) for part in partials)]:
        least, greatest = pc.min(first).as_py(), pc.max(last).as_py()
        spans += [] if least is None else [(least, greatest)]
    if not spans:
        return 0
    return max(0, min(max(last for _, last in spans) + 1, to_ns) - max(min(first for first, _ in spans), from_ns))
