"""The rows of a partition's store beyond the version that a query reads, for queries of this and of other workers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from store.engine.duck import run
from store.errors import Behind, QueryFailed, RequestError
from store.magnetic.tier import Version
from store.open_tables import OpenTables
from store.reading.partials import beyond_in_parts
from store.reading.scan import BaseVersion, MemoryView, Selection, beyond, only_columns
from store.reading.series import series_of
from store.reading.tail import PinnedRows, TailReply, TailRequest, to_sequence_of
from store.table.table import Table


def tail(tables: OpenTables, own_partition: str, request: TailRequest) -> TailReply:
    """The rows of the store of `own_partition` beyond the requested position. Any thread; may block.

    Raises Behind if some of them are no longer in RAM, or if the store knows another table under this name: then the
    requested position is outdated, or the catalog of one of the two workers is.
    """
    table, memory = _pin(tables, own_partition, request, None)
    times = memory.superseded_ns
    within = times[np.searchsorted(times, request.from_ns) : np.searchsorted(times, request.to_ns)]
    cursor = table.cursor()
    try:
        schema, dimensions = table.schema(table.info), request.selected
        series = None if dimensions is None else [series_of(schema, memory, dimensions)]
        schema = only_columns(schema, request.columns, with_keys=True)  # another owner may have a key twice
        selection = Selection(request.from_ns, request.to_ns, series)
        partials = None
        if request.partials is not None:
            seen = replace(memory, to_sequence=request.seen.get(own_partition))
            partials = beyond_in_parts(cursor, schema, seen, selection, request.partials, within)
        found = run(cursor, beyond(schema, memory, selection) if partials is None else partials[1])
    except QueryFailed as error:
        raise (Behind(f"{table.id} was closed in the meantime") if table.is_dropped else error) from error
    finally:
        cursor.close()
        table.unpin(memory)
    return TailReply(
        own_partition,
        to_sequence_of(PinnedRows(own_partition, table, memory), request),
        within,
        found,
        table.contents() if request.wants_contents else None,
        None if partials is None else partials[0],
    )


def pin(tables: OpenTables, own_partition: str, request: TailRequest, version: Version | None) -> PinnedRows:
    """Pin the rows of the store of `own_partition` beyond the requested version, for a query in this process.

    `version` is that version, if this process has it. Raises Behind as `tail` does.
    """
    return PinnedRows(own_partition, *_pin(tables, own_partition, request, version))


def _pin(
    tables: OpenTables, own_partition: str, request: TailRequest, version: Version | None
) -> tuple[Table, MemoryView]:
    table = _table(tables, own_partition, request)
    asked = request.positions.get(own_partition, -1)
    _is_ours(tables, table, own_partition, asked)
    return table, table.pin_beyond(BaseVersion(request.version, request.positions, version))


def _is_ours(tables: OpenTables, table: Table, own_partition: str, asked: int) -> None:
    """Raises Behind if the version has rows of our partition that are unknown here: it has another owner then."""
    known = table.position_of(own_partition, at_least=asked)
    if asked > known:
        tables.is_fenced_by(f"position of {own_partition} is {asked} in {table.id} and {known} here")
        raise Behind(f"{own_partition} is owned by another worker")


def _table(tables: OpenTables, own_partition: str, request: TailRequest) -> Table:
    try:
        table = tables.to_read(request.table)
        if table.info.incarnation != request.incarnation:
            tables.drop_deleted(now=True)
            table = tables.to_read(request.table)
    except RequestError as error:
        raise Behind(f"{request.table} does not exist any more") from error
    if tables.is_closed or tables.is_fenced or table.info.incarnation != request.incarnation:
        raise Behind(f"{request.table} is another table now, or {own_partition} is owned by another worker")
    return table
