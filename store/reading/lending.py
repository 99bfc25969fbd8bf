"""Lends an account's tables to a query that runs elsewhere: what it reads from files, and the rows that only RAM has.

The borrower reads the files of the pinned version by itself. It gets the rows beyond the version, and, where they are
few, all rows from the time on that RAM holds whole, so that a question about the last minutes opens no file. Files of
the pinned version are not deleted until the lender is closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import pyarrow as pa

from store.catalog.schema import TableSchema
from store.engine.duck import run, stream_of
from store.magnetic.tier import Version
from store.objects.location import S3Location
from store.reading.account_tables import AccountTables, memory_of, selection_of, whole_from_ns
from store.reading.partials import Partials, beyond_in_parts
from store.reading.past import AsOf
from store.reading.pinned import Pinned, Replies
from store.reading.scan import (
    END_OF_TIME_NS,
    MemoryView,
    Selection,
    in_memory,
    only_columns,
)
from store.reading.series import series_of
from store.reading.tail import TailReply
from store.record import Int64s, TableId

# Rows that RAM holds whole are sent from it only up to this number: sending 200,000 costs this process 15 ms of
# processor time. Read from files of a folder they cost it nothing, and the query as much, 18 ms; for a few rows opening
# files is dearer. Files of a bucket take a round trip each.
FEW_ROWS = 10_000
FEW_ROWS_OF_BUCKET = 200_000
BATCH_ROWS = 20_000


class Lend(msgspec.Struct, frozen=True, tag=True):
    """Asks for the rows of a table with times in [from, to) and such dimensions; for these columns, None: for all.

    `partials`: of what owners in other processes have, these partial aggregates, as far as they are less than the rows.
    `as_of`: of an earlier version.

    A query process sends it; the response is a `Lent` without batches, then for each of its `rows` the batches and an
    end.
    """

    database: str
    table: str
    from_ns: int | None
    to_ns: int | None
    dimensions: dict[str, list[str]] | None
    columns: list[str] | None
    partials: Partials | None = None
    as_of: AsOf | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LentRows:
    """Rows from RAM, or partial aggregates of such rows. `to_sequence`: rows beyond it are not of the query."""

    to_sequence: int
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    is_partials: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Lent:
    """What a query reads of a table within a selection.

    version        with the files that may have such rows; earlier ones than `whole_from_ns` are read from them
    location       of the table's files
    superseded_ns  ascending: times within the selection at which a key may be there twice
    rows           beyond the version, and from `whole_from_ns` on all; or partial aggregates of some of them
    is_past        whether it is an earlier version, of which `superseded_ns` are not known
    """

    schema: TableSchema
    version: Version
    location: Path | S3Location
    whole_from_ns: int
    visible_from_ns: int
    superseded_ns: Int64s
    rows: Sequence[LentRows]
    is_past: bool = False


class Lending(Protocol):
    """What a query may ask for, from wherever it runs. All calls are about one account."""

    def databases(self) -> list[str]:
        """See `AccountTables`."""
        ...

    def tables(self, database: str) -> list[str]:
        """See `AccountTables`."""
        ...

    def schema(self, database: str, table: str) -> TableSchema:
        """See `AccountTables`."""
        ...

    def renew(self) -> bool:
        """See `AccountTables`."""
        ...

    def look_for_newest(self) -> None:
        """See `AccountTables`."""
        ...

    def look_for_deleted(self) -> None:
        """See `AccountTables`."""
        ...

    def is_alone(self) -> bool:
        """See `AccountTables`."""
        ...

    def lend(self, asked: Lend) -> Lent:
        """What is asked for. Read the batches before the next call."""
        ...

    def drop_damaged(self, database: str, table: str, path: str) -> bool:
        """See `AccountTables`."""
        ...


class Lender(AccountTables):
    """The tables of one account, for one query in another process. Use `Store.lender`."""

    def lend(self, asked: Lend) -> Lent:
        """See `Lending`."""
        selection = selection_of(asked.from_ns, asked.to_ns, asked.dimensions)
        table = TableId(self._account, asked.database, asked.table)
        if asked.as_of is not None:
            return self._past(table, asked.as_of, selection)
        pinned, replies, times = self._ask(table, selection, asked.columns, asked.partials)
        times = times[np.searchsorted(times, selection.from_ns) : np.searchsorted(times, selection.to_ns)]
        version, memory = pinned.newest.version, memory_of(replies)
        visible_from_ns = self._visible_from_ns(pinned.info, version, memory)
        visible = replace(selection, from_ns=max(selection.from_ns, visible_from_ns))
        whole_ns = whole_from_ns(replies)
        few_rows = FEW_ROWS if isinstance(pinned.newest.location, Path) else FEW_ROWS_OF_BUCKET
        are_few = count_from(memory, max(whole_ns, visible.from_ns), visible.to_ns) <= few_rows
        if not are_few or asked.partials is not None:  # statistics of files are those of all their rows
            whole_ns = END_OF_TIME_NS
        until_ns = min(visible.to_ns, whole_ns)
        files = tuple(file for file in version.files if file.to_ns >= visible.from_ns and file.from_ns < until_ns)
        return Lent(
            pinned.schema,
            Version(version.number, files, {}),
            pinned.newest.location,
            whole_ns,
            visible_from_ns,
            times,
            list(self._rows(pinned, replies, visible, whole_ns, asked, times)),
        )

    def _past(self, table: TableId, as_of: AsOf, selection: Selection) -> Lent:
        pinned, version, visible_ns = self._version_at(table, as_of)
        files = version.files_in(max(selection.from_ns, visible_ns), selection.to_ns)
        found, location = Version(version.number, tuple(files), {}), pinned.newest.location
        nothing = np.zeros(0, np.int64)
        return Lent(pinned.schema, found, location, END_OF_TIME_NS, visible_ns, nothing, (), is_past=True)

    def _rows(
        self,
        pinned: Pinned,
        replies: Replies,
        selection: Selection,
        whole_ns: int,
        asked: Lend,
        superseded_ns: Int64s,
    ) -> Iterator[LentRows]:
        # who looks for the latest of equal keys needs these, and versions and sequences
        with_keys = bool(len(superseded_ns)) or bool(pinned.schema.stored)
        schema = only_columns(pinned.schema, asked.columns, with_keys=with_keys)
        has_partials = any(isinstance(reply, TailReply) and reply.partials is not None for reply in replies)
        for reply in replies:
            to_sequence = pinned.to_sequence[reply.partition]
            if isinstance(reply, TailReply):
                yield from _tables_lent(to_sequence, reply.rows, reply.partials)
                continue
            known = reply.memory.to_sequence
            memory = replace(reply.memory, to_sequence=to_sequence if known is None else min(known, to_sequence))
            if in_memory(schema, memory, selection, whole_ns, extra=with_keys) is None:
                continue
            selected = selection
            if selection.dimensions is not None:
                selected = replace(selection, series=[series_of(pinned.schema, reply.memory, selection.dimensions)])
            if has_partials and asked.partials is not None:
                parts = beyond_in_parts(self._cursor, schema, reply.memory, selected, asked.partials, superseded_ns)
                if parts is not None:
                    yield from _tables_lent(to_sequence, run(self._cursor, parts[1]), parts[0])
                    continue
            sql = in_memory(schema, memory, selected, whole_ns, extra=with_keys)
            if sql is not None:
                yield LentRows(to_sequence, *self._stream(sql))

    def _stream(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The result, on a cursor of its own: another query would end it."""
        cursor = self._duck.cursor()
        schema, batches = stream_of(cursor, sql, BATCH_ROWS)

        def all_batches() -> Iterator[pa.RecordBatch]:
            with closing(cursor):
                yield from batches

        return schema, all_batches()


def _tables_lent(to_sequence: int, rows: pa.Table, partials: pa.Table | None) -> Iterator[LentRows]:
    if rows.num_rows:
        yield LentRows(to_sequence, rows.schema, iter(rows.to_batches(BATCH_ROWS)))
    if partials is not None:
        yield LentRows(to_sequence, partials.schema, iter(partials.to_batches(BATCH_ROWS)), is_partials=True)


def count_from(memory: Sequence[MemoryView], from_ns: int, to_ns: int) -> int:
    """About how many rows with times in [from, to) there are in these chunks, evenly spread over their times."""
    count = 0.0
    for chunk in (chunk for of in memory for chunk in of.chunks):
        rows, length_ns = chunk.chunk.rows, chunk.to_ns - chunk.from_ns + 1
        shared_ns = min(chunk.to_ns + 1, to_ns) - max(chunk.from_ns, from_ns)
        count += rows * max(shared_ns, 0) / max(length_ns, 1)
    return int(count)
